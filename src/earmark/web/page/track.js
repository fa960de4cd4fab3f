// A track: being uploaded, waiting, being analysed, finished, or failed.

import { events } from "./events.js";
import { clock, clockEnd } from "./number.js";
import { Problem, problemOf } from "./problem.js";
import { Slots } from "./slots.js";
import { titleOf } from "./title.js";

export const OF_LIBRARY = "library-";
const BUSY_RETRIES = 20;
const LOST_RETRIES = 3;

/** @typedef {{tag: string|null, start: number|null, end: number|null}} Moment a tag and a stretch, or a second */

/**
 * Holds the state of a track. It dispatches "change" for each change.
 *
 * `key` names the track in addresses of the page, and `id` on the server. They differ for tracks of the library, whose
 * keys stay the same.
 */
export class Track extends EventTarget {
  static _count = 0;

  constructor(api, name) {
    super();
    Track._count += 1;
    this.key = `new-${Track._count}`;
    this.id = null;
    this.inBatch = false;
    /** @type {Moment} */
    this.moment = { tag: null, start: null, end: null };
    this.name = name;
    this.state = "waiting";
    this.message = "Waiting";
    this.share = null;
    this.problem = null;
    /** The tags of the sound so far, where they are told. */
    this.soFar = [];
    this._api = api;
    /** @type {() => Promise<{id: string}>} */
    this._begin = null;
    this._closing = new AbortController();
    /** @type {Map<string, Promise<object>>} */
    this._stretches = new Map();
  }

  /** Create a track from a file, which `begin` uploads. */
  static ofFile(api, file) {
    const track = new Track(api, file.name);
    track._begin = () => api.upload(file, (share) => track._say("sending", "Sending", share), track._closing.signal);
    return track;
  }

  /** Create a track from the key of a track of the library; `id` is its identifier on the server, if it has one. */
  static ofLibrary(api, key, name, id = null) {
    const track = new Track(api, name);
    track.key = key;
    track.id = id;
    const path = `v1/tracks?library=${key.slice(OF_LIBRARY.length)}`;
    track._begin = async () => {
      const kept = track.id !== null && (await isKept(api, track.id));
      return kept ? { id: track.id } : api.json(path, { method: "POST", signal: track._closing.signal });
    };
    return track;
  }

  /** Create a track from the identifier of one that the server keeps. */
  static ofIdentifier(api, identifier, name) {
    const track = new Track(api, name);
    track.key = identifier;
    track.id = identifier;
    track._begin = async () => ({ id: identifier });
    return track;
  }

  /** The title: the name without its extension. */
  get title() {
    return titleOf(this.name);
  }

  /** The number of a track of the library, or null. */
  get number() {
    return this.key.startsWith(OF_LIBRARY) ? Number(this.key.slice(OF_LIBRARY.length)) : null;
  }

  get finished() {
    return this.state === "heard" || this.state === "failed";
  }

  get audioPath() {
    return `v1/tracks/${this.id}/audio`;
  }

  /** The address of the track on the page, with its moment. */
  get address() {
    const { tag, start, end } = this.moment;
    const parts = new URLSearchParams();
    if (tag !== null) parts.set("tag", tag);
    if (start !== null) parts.set("t", String(round(start)));
    if (end !== null) parts.set("end", String(round(end)));
    return `#/track/${this.key}${parts.size ? `?${parts}` : ""}`;
  }

  /** Take the moment of an address. */
  set parts(parts) {
    const second = (name) => {
      const number = Number.parseFloat(parts.get(name) ?? "");
      return Number.isFinite(number) && number >= 0 ? number : null;
    };
    this.moment = { tag: parts.get("tag"), start: second("t"), end: second("end") };
  }

  /** Upload and follow the track, or try again; resolves when it is finished, failed or closed. */
  async begin() {
    this.problem = null;
    try {
      const { id } = await this._accepted();
      const old = this.key;
      this.id = id;
      if (!this.key.startsWith(OF_LIBRARY)) this.key = id;
      this.dispatchEvent(new CustomEvent("key", { detail: old }));
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
    if (this.id === null) return;
    this._api.fetch(`v1/tracks/${this.id}`, { method: "DELETE" }).catch(() => {
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
    for await (const { name, data } of events(this._api, `v1/tracks/${this.id}/events`, this._closing.signal)) {
      if (name === "failed") throw new Problem(data);
      if (name === "waiting") this._say("waiting", data.ahead ? `Waiting, ${data.ahead} before it` : "Waiting", null);
      if (name === "progress") {
        this.soFar = data.tags ?? this.soFar;
        this._say("listening", progressText(data), data.share);
      }
      if (name === "done") {
        this._take(await this._api.json(`v1/tracks/${this.id}`, { signal: this._closing.signal }));
        return true;
      }
    }
    return false;
  }

  _take({ name, prediction, waveform, sound, evidence }) {
    this.name = name;
    this.prediction = prediction;
    this.waveform = waveform;
    this.sound = sound;
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

  /** Return the slot of time in which a tag has its largest probability. */
  clearest(label) {
    return this.evidence[label].curve.reduce((best, probability, slot, curve) => {
      return probability > curve[best] ? slot : best;
    }, 0);
  }

  /** Return the stretch that the window of a slot of time covers. */
  window(slot) {
    const { seconds, window_seconds: window } = Object.values(this.evidence)[0];
    return { start: seconds[slot], end: Math.min(this.duration, seconds[slot] + window) };
  }

  /** Return the tags of a stretch with their evidence, by label; asked for once. */
  stretch({ start, end }) {
    const path = `v1/tracks/${this.id}/stretch?start=${start}&end=${end}`;
    if (!this._stretches.has(path)) {
      const asked = this._api.json(path).then(({ tags }) => tags);
      asked.catch(() => this._stretches.delete(path));
      this._stretches.set(path, asked);
    }
    return this._stretches.get(path);
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
  return total ? `Listening, ${clock(seconds)} of ${clockEnd(total)}` : `Listening, ${clock(seconds)} so far`;
}

async function isKept(api, id) {
  try {
    await api.fetch(`v1/tracks/${id}/audio`, { method: "HEAD" });
    return true;
  } catch (error) {
    if (problemOf(error).status !== 404) throw error;
    return false;
  }
}

function round(seconds) {
  return Math.round(seconds * 100) / 100;
}

function highest(numbers, least) {
  return numbers.reduce((most, number) => Math.max(most, number), least);
}
