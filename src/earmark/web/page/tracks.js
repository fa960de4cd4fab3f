// The open tracks. The browser's tab stores them, so that they survive a reload.

import { Track } from "./track.js";

const OPEN = "earmark.tracks";
const AT_A_TIME = 2;

/** Holds the open tracks. It dispatches "change" when one is opened or closed, and "progress" when one changes. */
export class Tracks extends EventTarget {
  constructor(api) {
    super();
    this._api = api;
    this._tracks = [];
    this._waiting = [];
    this._under_way = 0;
  }

  [Symbol.iterator]() {
    return this._tracks[Symbol.iterator]();
  }

  get heard() {
    return this._tracks.filter((track) => track.state === "heard");
  }

  find(key) {
    return this._tracks.find((track) => track.key === key) ?? null;
  }

  openFiles(files) {
    return [...files].map((file) => this._open(Track.ofFile(this._api, file)));
  }

  openFromLibrary(number, name) {
    return this._open(Track.ofLibrary(this._api, number, name));
  }

  /** Restore the tracks that were open before a reload. */
  restore() {
    for (const { key, name } of JSON.parse(sessionStorage.getItem(OPEN) ?? "[]")) {
      this._open(Track.ofIdentifier(this._api, key, name));
    }
  }

  retry(track) {
    this._begin(track);
  }

  close(track) {
    track.close();
    this._tracks = this._tracks.filter((other) => other !== track);
    this._waiting = this._waiting.filter((other) => other !== track);
    this._changed();
  }

  _open(track) {
    track.addEventListener("change", () => this.dispatchEvent(new CustomEvent("progress", { detail: track })));
    track.addEventListener("key", (event) => {
      this._remember();
      this.dispatchEvent(new CustomEvent("key", { detail: { old: event.detail, track } }));
    });
    this._tracks.push(track);
    this._begin(track);
    this._changed();
    return track;
  }

  /** Begin a few tracks at a time, because a whole folder would fill the server's queue. */
  _begin(track) {
    this._waiting.push(track);
    this._next();
  }

  async _next() {
    if (this._under_way >= AT_A_TIME || !this._waiting.length) return;
    this._under_way += 1;
    try {
      await this._waiting.shift().begin();
    } finally {
      this._under_way -= 1;
      this._next();
    }
  }

  _changed() {
    this._remember();
    this.dispatchEvent(new Event("change"));
  }

  _remember() {
    const known = this._tracks.filter((track) => !track.key.startsWith("new-"));
    sessionStorage.setItem(OPEN, JSON.stringify(known.map(({ key, name }) => ({ key, name }))));
  }
}
