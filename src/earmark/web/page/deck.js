// The play button, the waveform and the curve of the selected tag, with one time axis and one playhead.

import { Curve } from "./curve.js";
import { element } from "./element.js";
import { icon } from "./icon.js";
import { clock, clockEnd } from "./number.js";
import { Player } from "./player.js";
import { problemCard } from "./problem.js";
import { ruler } from "./ruler.js";
import { Waveform } from "./waveform.js";

/** Shows the player of a track. It dispatches "slot" for each new slot of time, and with null at the start. */
export class Deck extends EventTarget {
  /**
   * @param {import("./api.js").Api} api
   * @param {import("./track.js").Track} track
   * @param {import("./view.js").View} view
   * @param {import("./waveform.js").Select} select
   * @param {boolean} curve whether the chosen tag's curve is shown
   */
  constructor(api, track, view, select, curve = true) {
    super();
    this._track = track;
    this._view = view;
    this.player = new Player(api, track.audioPath, track.duration);
    this._slot = null;
    this._seen = true;
    this._movers = [];
    this._waveform = new Waveform(track, this.player, view, select, `Position in ${track.title}`);
    this._curve = curve ? new Curve(track, view) : null;
    this._curveName = element("span", { class: "lane-name" });
    this._time = element("span", { class: "time" });
    this._button = element("button", {
      class: "play",
      type: "button",
      on: { click: () => this.player.toggle() },
    });
    this._failure = element("div", {});
    this.root = element(
      "div",
      { class: "deck" },
      element(
        "div",
        { class: "lane" },
        element("div", { class: "lane-head" }, this._button, this._time),
        this._waveform.root,
      ),
      this._curve
        ? element(
            "div",
            { class: "lane lane-curve" },
            element(
              "div",
              { class: "lane-head" },
              this._curveName,
              element("span", { class: "lane-scale", "aria-hidden": "true" }, "0–100%"),
            ),
            this._curve.root,
          )
        : null,
      element("div", { class: "lane" }, zoomButtons(view), ruler(view)),
      this._failure,
    );
    this.player.addEventListener("time", () => this._moved());
    this.player.addEventListener("state", () => this._changed());
    view.addEventListener("change", () => this._moved(false));
    this._changed();
    this._moved();
  }

  show(label) {
    this._curve?.show(label);
    this._curveName.textContent = label;
  }

  /** Move all playheads inside an element. */
  moves(root) {
    this._movers.push(root);
    this._moved();
  }

  close() {
    this.player.close();
    this._waveform.close();
    this._curve?.close();
  }

  _changed() {
    const { playing, problem } = this.player;
    this._button.replaceChildren(icon(playing ? "pause" : "play"));
    this._button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${this._track.title}`);
    this._failure.replaceChildren(...(problem ? [problemCard(problem)] : []));
  }

  /** Show the position; during playback the view goes with it, unless somebody has moved the view elsewhere. */
  _moved(followed = true) {
    const { time, playing } = this.player;
    const seen = time >= this._view.start && time <= this._view.end;
    if (followed && playing && this._seen && !seen) {
      this._view.follow(time);
      return;
    }
    this._seen = seen;
    const text = `${clock(time)} / ${clockEnd(this._track.duration)}`;
    if (this._time.textContent !== text) this._time.textContent = text;
    for (const root of this._movers) {
      root.style.setProperty("--at", Math.min(1, Math.max(0, this._view.place(time))).toFixed(5));
      root.classList.toggle("is-moved", seen && (time > 0 || playing));
    }
    const slot = time > 0 || playing ? this._track.slots.at(time) : null;
    if (slot === this._slot) return;
    this._slot = slot;
    this.dispatchEvent(new CustomEvent("slot", { detail: slot }));
  }
}

/** Return the buttons that zoom, or an empty place for a track that is too short. */
function zoomButtons(view) {
  if (!view.canZoom) return element("span", {});
  const button = (name, text, act) =>
    element(
      "button",
      { class: "quiet zoom", type: "button", "aria-label": text, title: text, on: { click: act } },
      name,
    );
  const closer = button("+", "Zoom in", () => view.zoom(1));
  const out = button("−", "Zoom out", () => view.zoom(-1));
  const all = button("all", "Show the whole track", () => view.whole());
  const earlier = button("‹", "Earlier", () => view.move(-0.5));
  const later = button("›", "Later", () => view.move(0.5));
  const show = () => {
    closer.textContent = view.isWhole ? "+ Zoom" : "+";
    for (const each of [out, all, earlier, later]) each.hidden = view.isWhole;
  };
  view.addEventListener("change", show);
  show();
  return element("div", { class: "zooms" }, closer, out, all, earlier, later);
}
