// The waveform of a sound, which shows the playback position. A click moves it, and a drag selects a stretch.

import { Drawing } from "./drawing.js";
import { element } from "./element.js";
import { spokenClock } from "./number.js";
import { colour } from "./palette.js";
import { zoomByKey, zoomByWheel } from "./view.js";

/**
 * Takes a stretch in seconds: while somebody drags over it ("drag"), at the end of that, or selected by keys.
 *
 * @typedef {(stretch: {start: number, end: number}, how: "drag"|"end"|"keys") => void} Select
 */

const BAR = 2;
const GAP = 1;
const STEP_SECONDS = 5;
const DRAG_PIXELS = 6;

/** Shows the waveform as a slider; the part before the position has the accent colour. */
export class Waveform {
  /**
   * @param {import("./track.js").Track} track
   * @param {import("./player.js").Player} player
   * @param {import("./view.js").View} view
   * @param {Select} select
   */
  constructor(track, player, view, select, label = "Position in the track") {
    this._track = track;
    this._player = player;
    this._view = view;
    this._select = select;
    this._from = null;
    this._all = new Drawing((...place) => this._draw(...place, "wave"));
    this._played = new Drawing((...place) => this._draw(...place, "accent"), { class: "wave-played" });
    this.root = element(
      "div",
      {
        class: "plot wave",
        role: "slider",
        tabindex: "0",
        "aria-label": label,
        "aria-valuemin": "0",
        "aria-valuemax": track.duration.toFixed(1),
        on: { pointerdown: (event) => this._press(event), keydown: (event) => this._key(event) },
      },
      this._all.canvas,
      this._played.canvas,
    );
    zoomByWheel(this.root, view);
    view.addEventListener("change", () => {
      this._all.redraw();
      this._played.redraw();
    });
    player.addEventListener("time", () => this._tell());
    this._tell();
  }

  close() {
    this._all.close();
    this._played.close();
  }

  _press(event) {
    if (event.button !== 0) return;
    this.root.setPointerCapture(event.pointerId);
    const from = this._second(event);
    let stretch = null;
    const follow = (moved) => {
      if (!stretch && Math.abs(moved.clientX - event.clientX) < DRAG_PIXELS) return;
      const to = this._second(moved);
      stretch = { start: Math.min(from, to), end: Math.max(from, to) };
      this._select(stretch, "drag");
    };
    const release = () => {
      this.root.removeEventListener("pointermove", follow);
      this.root.removeEventListener("pointercancel", release);
      if (stretch) this._select(stretch, "end");
      else this._player.seek(from);
    };
    this.root.addEventListener("pointermove", follow);
    this.root.addEventListener("pointerup", release, { once: true });
    this.root.addEventListener("pointercancel", release, { once: true });
  }

  _second(event) {
    const { left, width } = this.root.getBoundingClientRect();
    return this._view.at((event.clientX - left) / width);
  }

  _key(event) {
    const { time, duration } = this._player;
    if (zoomByKey(event, this._view, time)) return;
    const places = {
      ArrowLeft: time - STEP_SECONDS,
      ArrowDown: time - STEP_SECONDS,
      ArrowRight: time + STEP_SECONDS,
      ArrowUp: time + STEP_SECONDS,
      PageDown: time - duration / 10,
      PageUp: time + duration / 10,
      Home: 0,
      End: duration,
    };
    if (!(event.key in places) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const to = Math.min(duration, Math.max(0, places[event.key]));
    this._from = event.shiftKey ? (this._from ?? time) : null;
    this._player.seek(to);
    this._view.follow(to);
    if (this._from !== null && this._from !== to) {
      this._select({ start: Math.min(this._from, to), end: Math.max(this._from, to) }, "keys");
    }
  }

  _tell() {
    const { time } = this._player;
    this.root.setAttribute("aria-valuenow", time.toFixed(1));
    const spoken = `${spokenClock(time)} of ${spokenClock(this._track.duration)}`;
    // This is not updated on each frame, because a screen reader would never stop speaking.
    if (this.root.getAttribute("aria-valuetext") !== spoken) this.root.setAttribute("aria-valuetext", spoken);
  }

  _draw(context, width, height, name) {
    const { peaks, seconds_per_point: step } = this._track.waveform;
    const loudest = Math.max(
      0.05,
      peaks.reduce((most, peak) => Math.max(most, peak), 0),
    );
    const bars = Math.max(1, Math.floor(width / (BAR + GAP)));
    context.fillStyle = colour(name);
    for (let bar = 0; bar < bars; bar += 1) {
      const from = Math.floor(this._view.at(bar / bars) / step);
      const until = Math.max(from + 1, Math.ceil(this._view.at((bar + 1) / bars) / step));
      const peak = Math.max(0, ...peaks.slice(from, until)) / loudest;
      const tall = Math.max(2, peak * (height - 2));
      context.beginPath();
      context.roundRect((bar / bars) * width, (height - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    }
  }
}
