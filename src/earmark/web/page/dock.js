// The bar at the bottom of a phone's screen: play button, selected tag, and a button for its evidence.

import { element } from "./element.js";
import { icon } from "./icon.js";
import { percent } from "./number.js";

export class Dock {
  /**
   * @param {import("./track.js").Track} track
   * @param {import("./player.js").Player} player
   * @param {() => void} explain goes to the reasons
   */
  constructor(track, player, explain) {
    this._track = track;
    this._player = player;
    this._text = element("p", { class: "dock-text" });
    this._button = element("button", { class: "play", type: "button", on: { click: () => player.toggle() } });
    this._why = element("button", { class: "button", type: "button", on: { click: explain } }, "Why");
    this.root = element("div", { class: "dock" }, this._button, this._text, this._why);
    player.addEventListener("state", () => this._changed());
    this._changed();
  }

  show(label) {
    const likely = element("span", { class: "soft" }, ` ${percent(this._track.probability(label))}`);
    this._text.replaceChildren(element("strong", {}, label), likely);
    this._why.setAttribute("aria-label", `Why ${label}`);
  }

  _changed() {
    const { playing } = this._player;
    this._button.replaceChildren(icon(playing ? "pause" : "play"));
    this._button.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${this._track.title}`);
  }
}
