// The tracks of the library that are similar to the open track.

import { element } from "./element.js";
import { entry } from "./entry.js";
import { percent } from "./number.js";
import { problemCard, problemOf } from "./problem.js";

const SHOWN = 6;
const SAME = 0.98;
const WAYS = [
  ["all", "in everything"],
  ["sound", "in sound"],
  ["style", "in style"],
];

export class Similar {
  constructor(page, track) {
    this._page = page;
    this._track = track;
    this._list = element("ul", { class: "entries", "aria-live": "polite" });
    this._asked = 0;
    const ways = WAYS.map(([value, text]) => this._way(value, text));
    this.root = element(
      "section",
      { class: "card similar", "aria-label": "Similar tracks" },
      element(
        "div",
        { class: "card-head" },
        element("h2", {}, "Alike in your library"),
        element("fieldset", { class: "choice" }, element("legend", { class: "unseen" }, "Compare in"), ...ways),
      ),
      this._list,
    );
    this._ask("all");
  }

  _way(value, text) {
    const radio = element("input", {
      type: "radio",
      name: "alike",
      value,
      checked: value === "all",
      on: { change: () => this._ask(value) },
    });
    return element("label", {}, radio, element("span", {}, text));
  }

  async _ask(way) {
    this._asked += 1;
    const asked = this._asked;
    let shown;
    try {
      const { id, number } = this._track;
      const source = number === null ? `v1/tracks/${id}/similar` : `v1/library/similar/${number}`; // without itself
      const path = `${source}?n=${SHOWN}&alike=${way}`;
      const { tracks } = await this._page.api.json(path);
      shown = tracks.map((track) => entry(this._page, track, similarity));
      if (!shown.length) shown = [element("li", { class: "soft" }, "The library has no other track yet.")];
    } catch (error) {
      shown = [element("li", {}, problemCard(problemOf(error)))];
    }
    if (asked === this._asked) this._list.replaceChildren(...shown);
  }
}

function similarity({ score }) {
  return score > SAME ? "the same" : `${percent(Math.max(0, score))} alike`;
}
