// A track: being uploaded, waiting, being analysed, finished, or failed.

import { events } from "./events.js";
import { Problem, problemOf } from "./problem.js";
import { Slots } from "./slots.js";
import { titleOf } from "./title.js";

const BUSY_RETRIES = 20;
const LOST_RETRIES = 3;

/** Holds the state of a track. It dispatches "change" for each change. */
export class Track extends EventTarget {
  static _count = 0;

  constructor(api, name) {
    super();
    Track._count += 1;
    this.key = `new-${Track._count}`;
    this.name = name;
    this.state = "waiting";
    this.message = "Waiting";
    this.share = null;
    this.problem = null;
    this._api = api;
    /** @type {() => Promise<{id: string}>} */
    this._begin = null;
    this._closing = new AbortController();
  }

  /** Create a track from a file, which `begin` uploads. */
  static ofFile(api, file) {
    const track = new Track(api, file.name);
    track._begin = () => api.upload(file, (share) => track._say("sending", "Sending", share), track._closing.signal);
    return track;
  }

  /** Create a track from the number of a track of the library. */
  static ofLibrary(api, number, name) {
    const track = new Track(api, name);
    track._begin = () => api.json(`v1/tracks?library=${number}`, { method: "POST", signal: track._closing.signal });
    return track;
  }

  /** Create a track from the identifier of one that the server keeps. */
  static ofIdentifier(api, identifier, name) {
    const track = new Track(api, name);
    track.key = identifier;
    track._begin = async () => ({ id: identifier });
    return track;
  }

  /** The title: the name without its extension. */
  get title() {
    return titleOf(this.name);
  }

  get finished() {
    return this.state === "heard" || this.state === "failed";
  }

  get audioPath() {
    return `v1/tracks/${this.key}/audio`;
  }

  /** Upload and follow the track, or try again; resolves when it is finished, failed or closed. */
  async begin() {
    this.problem = null;
    try {
      const { id } = await this._accepted();
      if (this.key !== id) {
        const old = this.key;
        this.key = id;
        this.dispatchEvent(new CustomEvent("key", { detail: old }));
      }
      await this._followed();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.problem = problemOf(error);
      this._say("failed", this.problem.title, null);
    }
  }

  /** Remove the track here and on the server. */
  close() {
    this._closing.abort();
    if (this.key.startsWith("new-")) return;
    this._api.fetch(`v1/tracks/${this.key}`, { method: "DELETE" }).catch(() => {
      // The track may be gone already, and the server removes old tracks by itself.
    });
  }

  /** Create the track on the server; try again while its queue is full. */
  async _accepted() {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this._begin();
      } catch (error) {
        if (error.status !== 429 || attempt >= BUSY_RETRIES) throw error;
        const seconds = Math.min(30, error.retryAfter ?? 5);
        this._say("waiting", `The server is busy; trying again in ${seconds} s`, null);
        await this._pause(seconds);
      }
    }
  }

  /** Follow the track until it is finished, and connect again after an interruption. */
  async _followed() {
    for (let lost = 0; lost <= LOST_RETRIES; lost += 1) {
      try {
        if (await this._told()) return;
      } catch (error) {
        if (error.name === "AbortError" || problemOf(error).status || lost === LOST_RETRIES) throw error;
      }
      await this._pause(1);
    }
    throw Problem.unreachable();
  }

  /** Follow the events; return whether the last one arrived. */
  async _told() {
    for await (const { name, data } of events(this._api, `v1/tracks/${this.key}/events`, this._closing.signal)) {
      if (name === "failed") throw new Problem(data);
      if (name === "waiting") this._say("waiting", data.ahead ? `Waiting, ${data.ahead} before it` : "Waiting", null);
      if (name === "progress") this._say("listening", progressText(data), data.share);
      if (name === "done") {
        this._take(await this._api.json(`v1/tracks/${this.key}`, { signal: this._closing.signal }));
        return true;
      }
    }
    return false;
  }

  _take({ name, prediction, waveform, evidence }) {
    this.name = name;
    this.prediction = prediction;
    this.waveform = waveform;
    this.evidence = evidence;
    this.tags = prediction.tags;
    this.duration = prediction.duration_seconds;
    this.slots = new Slots(Object.values(evidence)[0], this.duration);
    this._probability = new Map(this.tags.map(({ label, probability }) => [label, probability]));
    this._peaks = new Map(
      this.tags.map(({ label, probability }) => [label, highest(evidence[label].curve, probability)]),
    );
    this._say("heard", "Heard", 1);
  }

  /** Return the probability of a tag, 0 to 1. */
  probability(label) {
    return this._probability.get(label);
  }

  /** Return the probability of a tag in one slot of time, 0 to 1. */
  probabilityAt(label, slot) {
    return this.evidence[label].curve[slot];
  }

  /** Return the largest probability of a tag over time, 0 to 1. */
  peak(label) {
    return this._peaks.get(label);
  }

  /** Return the strength of a tag, in the whole track or a part of it, by which tags are sorted. */
  strength(label) {
    return (this.probability(label) + this.peak(label)) / 2;
  }

  /** The groups in the model's order, each with its tags, the strongest first. */
  get groups() {
    const groups = new Map();
    for (const group of Object.values(this.prediction.groups)) groups.set(group, []);
    for (const tag of this.tags) groups.get(tag.group).push(tag);
    return [...groups].map(([name, tags]) => ({
      name: name || "other",
      tags: tags.sort((a, b) => this.strength(b.label) - this.strength(a.label)),
    }));
  }

  _pause(seconds) {
    return new Promise((resolve, reject) => {
      const wait = setTimeout(resolve, seconds * 1000);
      this._closing.signal.addEventListener("abort", () => {
        clearTimeout(wait);
        reject(new DOMException("closed", "AbortError"));
      });
    });
  }

  _say(state, message, share) {
    Object.assign(this, { state, message, share });
    this.dispatchEvent(new Event("change"));
  }
}

function progressText({ seconds, of: total }) {
  const heard = Math.round(seconds);
  return total ? `Listening, ${heard} of ${Math.round(total)} s` : `Listening, ${heard} s so far`;
}

function highest(numbers, least) {
  return numbers.reduce((most, number) => Math.max(most, number), least);
}
