// The API of the page without a server: the addresses of the HTTP API, answered by a worker of this page.

import { Problem } from "../page/problem.js";
import { Calls } from "./calls.js";
import { Microphone } from "./microphone.js";
import { Teaching } from "./teaching.js";

const PROMISE =
  "Nothing leaves this computer: the page listens by itself, also without a network, and sends nothing to anyone.";

/** @typedef {{name: string, data: object}} SiteEvent */

export class SiteApi {
  /** @param {string} version of earmark */
  constructor(version) {
    this._version = version;
    /** Tracks live in this page alone. */
    this.hasLinks = false;
    this._calls = new Calls(new Worker(new URL("worker.js", import.meta.url), { type: "module" }));
    /** @type {Map<string, SiteTrack>} */
    this._tracks = new Map();
    this._count = 0;
    this._microphone = new Microphone(this._calls);
    this.teaching = new Teaching(this._calls, this._tracks);
    this._routes = [
      [/^health$/, () => this._health()],
      [/^v1\/models$/, async () => [await this._calls.call("model")]],
      [/^v1\/live$/, () => this._microphone.response()],
      [/^page\/[\w.-]+$/, (_, { url }) => fetch(url)],
      ...this.teaching.routes,
      [/^v1\/tracks$/, (_, { url }) => this._opened(url.searchParams.get("library"))],
      [/^v1\/tracks\/([\w-]+)\/events$/, ([id]) => this._track(id).feed.response()],
      [/^v1\/tracks\/([\w-]+)\/audio$/, ([id]) => new Response(this._track(id).file)],
      [/^v1\/tracks\/([\w-]+)\/stretch$/, ([id], { url }) => this._stretch(id, url.searchParams)],
      [/^v1\/tracks\/([\w-]+)$/, ([id], { method }) => (method === "DELETE" ? this._remove(id) : this._record(id))],
    ];
  }

  /** Further choices of the start view. */
  get choices() {
    return [this._microphone.button];
  }

  /** Answer a request with a response or an object, or throw the Problem that the server would send. */
  async _answer(path, options) {
    const url = new URL(path, location.href);
    const wanted = path.split("?")[0].replace(/^\//, "");
    for (const [pattern, answer] of this._routes) {
      const found = pattern.exec(wanted);
      if (found) return answer(found.slice(1), { url, ...options });
    }
    throw new Problem({
      title: "There is no such thing here",
      detail: `This page has no ${wanted}.`,
      what_to_do: "Use earmark serve for it.",
      status: 404,
    });
  }

  async fetch(path, options = {}) {
    const given = await this._answer(path, options);
    return given instanceof Response ? given : Response.json(given);
  }

  /** Answer a request with an object, which is not turned into text and back: that of an hour is large. */
  async json(path, options = {}) {
    const given = await this._answer(path, options);
    return given instanceof Response ? given.json() : given;
  }

  async blob(path) {
    return (await this.fetch(path)).blob();
  }

  /** Return an address at which the browser can play a sound. */
  async sourceOf(path) {
    return URL.createObjectURL(await this.blob(path));
  }

  /** Begin to tag a file. */
  async upload(file) {
    this._count += 1;
    const id = `library-${this._count}`;
    const track = new SiteTrack(this._count, file);
    this._tracks.set(id, track);
    track.begin(id, this._calls, this._version);
    return { id };
  }

  async _health() {
    const { name } = await this._calls.call("model");
    return { status: "ok", model: name, version: this._version, limits: { about: PROMISE }, teaches: true };
  }

  _track(id) {
    const track = this._tracks.get(id);
    if (track) return track;
    throw new Problem({
      title: "The track is not here any more",
      detail: "This page keeps sounds until it is closed or loaded again.",
      what_to_do: "Drop the file again.",
      status: 404,
    });
  }

  /** Return the identifier of a track by its number. */
  _opened(number) {
    this._track(`library-${number}`);
    return { id: `library-${number}` };
  }

  _record(id) {
    return { id, media_type: this._track(id).file.type, ...this._track(id).record };
  }

  _stretch(id, query) {
    this._track(id);
    const [start, end] = ["start", "end"].map((name) => Number(query.get(name)));
    return this._calls.call("stretch", { track: id, start, end });
  }

  _remove(id) {
    this._tracks.delete(id);
    this._calls.call("close", { track: id });
    return new Response(null, { status: 204 });
  }
}

/** A file that is tagged or waits for it. */
class SiteTrack {
  constructor(number, file) {
    this.number = number;
    this.file = file;
    this.record = null;
    this.feed = new Feed({ name: "waiting", data: { ahead: 0 } });
  }

  async begin(id, calls, version) {
    const tell = (event, data) => {
      if (event === "decode") this._decode(id, calls);
      else this.feed.publish({ name: event, data });
    };
    try {
      this.record = await calls.call("track", { track: id, file: this.file, version }, { tell });
      this.feed.publish({ name: "done", data: {} });
    } catch (error) {
      this.feed.publish({ name: "failed", data: notHeard(this.file.name, error) });
    }
    this.feed.end();
  }

  /** Decode the file for the worker with WebAudio, which decodes it whole. */
  async _decode(id, calls) {
    try {
      const context = new OfflineAudioContext(1, 1, 44_100);
      const buffer = await context.decodeAudioData(await this.file.arrayBuffer());
      const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
      const sound = { sampleRate: buffer.sampleRate, samples: channels };
      const transfer = channels.map((channel) => channel.buffer);
      await calls.call("decoded", { track: id, sound }, { transfer });
    } catch (error) {
      await calls.call("decoded", { track: id, failure: error.message });
    }
  }
}

function notHeard(name, error) {
  return {
    title: "The file cannot be listened to",
    detail: `${name}: ${error.message}`,
    what_to_do:
      "Choose a file of sound that this browser plays: MP3, FLAC, WAV, OGG, Opus or M4A. earmark tag reads more.",
    status: 422,
  };
}

/** Events that are followed as those of the server: the newest, and those after it. */
export class Feed {
  /** @param {SiteEvent} newest */
  constructor(newest) {
    this._newest = newest;
    this._followers = new Set();
    this._ended = false;
  }

  publish(event) {
    this._newest = event;
    for (const follower of this._followers) follower.enqueue(bytesOf(event));
  }

  end() {
    this._ended = true;
    for (const follower of this._followers) follower.close();
    this._followers.clear();
  }

  response() {
    let follower;
    const stream = new ReadableStream({
      start: (controller) => {
        follower = controller;
        controller.enqueue(bytesOf(this._newest));
        if (this._ended) controller.close();
        else this._followers.add(controller);
      },
      cancel: () => this._followers.delete(follower),
    });
    return new Response(stream);
  }
}

function bytesOf({ name, data }) {
  return new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
