// A player of one sound. Only one player plays at a time.

import { Problem, problemOf } from "./problem.js";

const NOT_PLAYABLE = {
  title: "This browser cannot play the sound",
  detail: "It plays neither the file nor what the server made of it.",
  what_to_do: "Try another browser; the tags are right all the same.",
};

/** Plays a sound. It dispatches "time" during playback, and "state" when it starts, stops or fails. */
export class Player extends EventTarget {
  /** The player that played last, which the space bar controls. */
  static current = null;

  /**
   * @param {import("./api.js").Api} api
   * @param {string} path of the sound on the server
   * @param {number|null} duration in seconds, where it is known
   */
  constructor(api, path, duration = null) {
    super();
    this._api = api;
    this._path = path;
    this._duration = duration;
    this._audio = new Audio();
    this._audio.preload = "metadata";
    this._source = null;
    this._asFlac = false;
    this._stopAt = null;
    this.problem = null;
    for (const event of ["play", "pause", "ended"]) this._audio.addEventListener(event, () => this._changed());
    this._audio.addEventListener("timeupdate", () => this._moved());
    this._audio.addEventListener("seeked", () => this._moved());
    this._audio.addEventListener("error", () => this._broken());
  }

  get playing() {
    return !this._audio.paused && !this._audio.ended;
  }

  get time() {
    return this._audio.currentTime;
  }

  get duration() {
    return this._duration ?? (Number.isFinite(this._audio.duration) ? this._audio.duration : 0);
  }

  async play() {
    if (Player.current !== this) Player.current?.pause();
    Player.current = this;
    if (this.duration && this.time >= this.duration - 0.05) this._audio.currentTime = 0;
    if (!(await this._load())) return;
    try {
      await this._audio.play();
    } catch (error) {
      // An early pause or a failed source ends here too; both have events of their own. Before the first click a
      // browser may refuse to play what is only pointed at.
      if (!["AbortError", "NotSupportedError", "NotAllowedError"].includes(error.name)) throw error;
    }
  }

  pause() {
    this._audio.pause();
  }

  toggle() {
    this._stopAt = null;
    return this.playing ? this.pause() : this.play();
  }

  /** Go to a second of the sound; playback continues there. */
  seek(seconds) {
    this._stopAt = null;
    this._goTo(seconds);
    if (Player.current === null || !Player.current.playing) Player.current = this;
  }

  /** Play from a second, up to another one if it is given. */
  playFrom(seconds, until = null) {
    this._goTo(seconds);
    this._stopAt = until;
    return this.play();
  }

  /** Stop and release the sound. */
  close() {
    this.pause();
    this._forget();
    if (Player.current === this) Player.current = null;
  }

  _goTo(seconds) {
    this._audio.currentTime = Math.min(Math.max(seconds, 0), Math.max(0, this.duration - 0.05));
    this._load();
    this._moved();
  }

  /** Load a source unless there is one; return whether that succeeded. */
  async _load() {
    if (this._audio.getAttribute("src")) return true;
    try {
      this._source ??= this._api.sourceOf(this._path);
      const source = await this._source;
      if (!this._audio.getAttribute("src")) {
        const at = this._audio.currentTime;
        this._audio.src = source;
        this._audio.currentTime = at;
      }
      return true;
    } catch (error) {
      this._fail(problemOf(error));
      return false;
    }
  }

  _changed() {
    if (this.playing) {
      this.problem = null;
      this._run();
    }
    this.dispatchEvent(new Event("state"));
    this._moved();
  }

  /** Dispatch the time on each frame during playback. */
  _run() {
    if (!this.playing) return;
    this._moved();
    requestAnimationFrame(() => this._run());
  }

  _moved() {
    if (this._stopAt !== null && this.time >= this._stopAt) {
      this._stopAt = null;
      this.pause();
    }
    this.dispatchEvent(new Event("time"));
  }

  /** Handle a sound that cannot be loaded or played: ask the server for FLAC, which every browser plays. */
  async _broken() {
    if (!this._audio.getAttribute("src")) return;
    try {
      await this._api.fetch(this._path, { headers: { Range: "bytes=0-0" } });
    } catch (error) {
      this._fail(problemOf(error));
      return;
    }
    if (this._asFlac) {
      this._fail(new Problem(NOT_PLAYABLE));
      return;
    }
    this._asFlac = true;
    this._path = `${this._path}?format=flac`;
    this._forget();
    this.play();
  }

  /** Show why there is no sound; the play button tries again. */
  _fail(problem) {
    this.pause();
    this._forget();
    this.problem = problem;
    this.dispatchEvent(new Event("state"));
  }

  _forget() {
    if (this._audio.src.startsWith("blob:")) URL.revokeObjectURL(this._audio.src);
    this._audio.removeAttribute("src");
    this._source = null;
  }
}
