// The open tracks. The browser's tab stores them, so that they survive a reload.

import { OF_LIBRARY, Track } from "./track.js";

const OPEN = "earmark.tracks";
/** How the keys of tracks begin that the server does not know yet. */
const NEW = "new-";
const AT_A_TIME = 2;
/** The number of files that are not opened one by one. */
const BATCH_FROM = 5;

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

  /** Whether files of a batch have not reached the server yet, so that a reload would lose them. */
  get unsent() {
    return this.batch.some((track) => track.key.startsWith(NEW) && track.state !== "failed");
  }

  /** The tracks that are shown in a table, because many files were opened at once. */
  get batch() {
    return this._tracks.filter((track) => track.inBatch);
  }

  /** The tracks that have tabs. */
  get single() {
    return this._tracks.filter((track) => !track.inBatch);
  }

  /** Open files; many of them become a batch. */
  openFiles(files) {
    const inBatch = files.length >= BATCH_FROM;
    const tracks = files.map((file) => Object.assign(Track.ofFile(this._api, file), { inBatch }));
    this._add(tracks);
    return tracks;
  }

  /** Return the track of the library with a number; open it unless it is open. */
  openFromLibrary(number, name) {
    const key = `${OF_LIBRARY}${number}`;
    return this.find(key) ?? this._open(Track.ofLibrary(this._api, key, name));
  }

  /** Return the track of a key in an address; open it unless it is open, or return null for what is no key. */
  openFromLink(key) {
    const open = this.find(key);
    if (open) return open;
    if (new RegExp(`^${OF_LIBRARY}[1-9]\\d{0,17}$`).test(key)) {
      return this.openFromLibrary(key.slice(OF_LIBRARY.length), `Track ${key.slice(OF_LIBRARY.length)} of the library`);
    }
    return /^[\w-]{16,64}$/.test(key) ? this._open(Track.ofIdentifier(this._api, key, "A track from a link")) : null;
  }

  /** Restore the tracks that were open before a reload. */
  restore() {
    for (const { key, id, name, moment, inBatch } of JSON.parse(sessionStorage.getItem(OPEN) ?? "[]")) {
      const inLibrary = key.startsWith(OF_LIBRARY);
      const track = inLibrary ? Track.ofLibrary(this._api, key, name, id) : Track.ofIdentifier(this._api, key, name);
      Object.assign(track, { moment, inBatch });
      this._open(track);
    }
  }

  retry(track) {
    this._begin(track);
  }

  close(...tracks) {
    for (const track of tracks) track.close();
    this._tracks = this._tracks.filter((other) => !tracks.includes(other));
    this._waiting = this._waiting.filter((other) => !tracks.includes(other));
    this._changed();
  }

  _open(track) {
    this._add([track]);
    return track;
  }

  _add(tracks) {
    for (const track of tracks) {
      this._watch(track);
      this._tracks.push(track);
    }
    for (const track of tracks) this._begin(track);
    this._changed();
  }

  _watch(track) {
    track.addEventListener("change", () => this.dispatchEvent(new CustomEvent("progress", { detail: track })));
    track.addEventListener("key", (event) => {
      this.remember();
      this.dispatchEvent(new CustomEvent("key", { detail: { old: event.detail, track } }));
    });
  }

  /** Begin a few tracks at a time, because a whole folder would fill the server's queue. */
  _begin(track) {
    // A single track does not wait for the rest of a batch.
    const before = track.inBatch ? this._waiting.length : this._waiting.filter((other) => !other.inBatch).length;
    this._waiting.splice(before, 0, track);
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
    this.remember();
    this.dispatchEvent(new Event("change"));
  }

  /** Store the open tracks with their moments. */
  remember() {
    const known = this._tracks.filter((track) => !track.key.startsWith(NEW));
    sessionStorage.setItem(
      OPEN,
      JSON.stringify(known.map(({ key, id, name, moment, inBatch }) => ({ key, id, name, moment, inBatch }))),
    );
  }
}
