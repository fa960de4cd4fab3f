// The waveform of a sound, which shows the playback position and moves it by a click.

import { Drawing } from "./drawing.js";
import { element } from "./element.js";
import { spokenClock } from "./number.js";
import { colour } from "./palette.js";

const BAR = 2;
const GAP = 1;
const STEP_SECONDS = 5;

/** Shows the waveform as a slider; the part before the position has the accent colour. */
export class Waveform {
  /**
   * @param {import("./track.js").Track} track
   * @param {import("./player.js").Player} player
   */
  constructor(track, player, label = "Position in the track") {
    this._track = track;
    this._player = player;
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
    const follow = (moved) => {
      const { left, width } = this.root.getBoundingClientRect();
      this._player.seek(((moved.clientX - left) / width) * this._track.duration);
    };
    const release = () => this.root.removeEventListener("pointermove", follow);
    this.root.addEventListener("pointermove", follow);
    this.root.addEventListener("pointerup", release, { once: true });
    this.root.addEventListener("pointercancel", release, { once: true });
    follow(event);
  }

  _key(event) {
    const { time, duration } = this._player;
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
    this._player.seek(places[event.key]);
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
    const loudest = Math.max(0.05, ...peaks);
    const bars = Math.max(1, Math.floor(width / (BAR + GAP)));
    context.fillStyle = colour(name);
    for (let bar = 0; bar < bars; bar += 1) {
      const from = Math.floor(((bar / bars) * this._track.duration) / step);
      const until = Math.max(from + 1, Math.ceil((((bar + 1) / bars) * this._track.duration) / step));
      const peak = Math.max(0, ...peaks.slice(from, until)) / loudest;
      const tall = Math.max(2, peak * (height - 2));
      context.beginPath();
      context.roundRect((bar / bars) * width, (height - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    }
  }
}
