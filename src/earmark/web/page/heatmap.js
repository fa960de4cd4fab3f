// The card around the taggram: selection of tags, readout of the pointer, legend, and the table in words.

import { THEME_CHANGED } from "./drawing.js";
import { element } from "./element.js";
import { momentsTable } from "./moments.js";
import { heatGradient } from "./palette.js";
import { copyPicture } from "./picture.js";
import { ruler } from "./ruler.js";
import { Taggram } from "./taggram.js";

const SHOWN = 12;
const HINT = "Choose a cell to hear that moment and see why";

export class Heatmap {
  /**
   * @param {import("./track.js").Track} track
   * @param {{hear: (label: string, slot: number) => void, choose: (label: string) => void}} wishes
   * @param {import("./view.js").View} view
   * @param {object[]|null} tags shown, and no others; without them the strongest, and a button for all
   */
  constructor(track, wishes, view, tags = null) {
    this._track = track;
    this._wishes = wishes;
    this._readout = element("p", { class: "readout", "aria-hidden": "true" }, HINT);
    this._taggram = new Taggram(track, wishes, view, (cell) => this._read(cell));
    this._words = element("div", { class: "moments-place" });
    this._scale = element("span", { class: "legend-scale" });
    this._shown = [];
    this._colour = () => this._scale.style.setProperty("background", heatGradient());
    document.addEventListener(THEME_CHANGED, this._colour);
    this._colour();
    this.head = this._readout;
    this.root = element(
      "div",
      { class: "heatmap" },
      this._taggram.root,
      element("div", { class: "lane" }, element("span", {}), ruler(view)),
      element(
        "div",
        { class: "heat-foot" },
        element("p", { class: "legend" }, element("span", {}, "0%"), this._scale, element("span", {}, "100%")),
        tags === null ? this._all() : null,
        copyPicture(track, () => this._shown),
      ),
      element("details", { class: "in-words" }, element("summary", {}, "As a table"), this._words),
    );
    this._rows(tags ?? strongest(track));
  }

  show(label) {
    this._taggram.show(label);
  }

  close() {
    this._taggram.close();
    document.removeEventListener(THEME_CHANGED, this._colour);
  }

  _rows(tags) {
    this._shown = tags;
    this._taggram.rows(tags);
    this._words.replaceChildren(momentsTable(this._track, tags, this._wishes.hear));
  }

  _all() {
    const count = this._track.tags.length;
    const button = element("button", { class: "quiet", type: "button" }, `Show all ${count} tags`);
    button.hidden = count <= SHOWN;
    let all = false;
    button.addEventListener("click", () => {
      all = !all;
      button.textContent = all ? "Show the strongest" : `Show all ${count} tags`;
      this._rows(all ? inGroups(this._track, this._track.tags) : strongest(this._track));
    });
    return button;
  }

  _read(cell) {
    if (cell === null) {
      this._readout.textContent = HINT;
      return;
    }
    this._readout.replaceChildren(element("strong", {}, cell.label), ` at ${cell.time}: ${cell.probability}`);
  }
}

/** Return the strongest tags by group. */
function strongest(track) {
  const order = [...track.tags].sort((a, b) => track.strength(b.label) - track.strength(a.label));
  return inGroups(track, order.slice(0, SHOWN));
}

/** Return tags in the order of a track's groups, the strongest of each group first. */
export function inGroups(track, tags) {
  const wanted = new Set(tags.map((tag) => tag.label));
  return track.groups.flatMap((group) => group.tags.filter((tag) => wanted.has(tag.label)));
}
