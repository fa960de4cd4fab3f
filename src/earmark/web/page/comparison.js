// A comparison of two tracks: how they differ, and when.

import { butterfly, differences } from "./butterfly.js";
import { Deck } from "./deck.js";
import { element } from "./element.js";
import { Heatmap, inGroups } from "./heatmap.js";
import { card, cardHead } from "./result.js";
import { View } from "./view.js";

const SHOWN = 16;

export class Comparison {
  /** @param {import("./track.js").Track[]} pair of two heard tracks */
  constructor(page, pair) {
    this._page = page;
    const [left, right] = pair;
    const tags = strongest(left, right);
    this._sides = pair.map((track) => new Side(page.api, track, tags, (label) => this._choose(label)));
    this.player = this._sides[0].player;
    this.root = element(
      "article",
      { class: "comparison" },
      element("h1", { tabindex: "-1" }, "Two tracks side by side"),
      element(
        "div",
        { class: "sides" },
        this._sides[0].root("left", this._chooser(pair, 0)),
        this._sides[1].root("right", this._chooser(pair, 1)),
        card(
          "between",
          "How they differ",
          cardHead("How they differ", ""),
          element("div", { class: "differences" }, ...differences(left, right)),
          butterfly(left, right, tags),
        ),
      ),
    );
  }

  opened() {}

  close() {
    for (const side of this._sides) side.close();
  }

  _choose(label) {
    for (const side of this._sides) side.show(label);
  }

  /** Return a select element that chooses the track of one side. */
  _chooser(pair, place) {
    const name = place ? "right" : "left";
    const select = element(
      "select",
      { id: `side-${name}` },
      ...this._page.tracks.heard.map((track) =>
        element(
          "option",
          { value: track.key, selected: track === pair[place], disabled: track === pair[1 - place] },
          track.title,
        ),
      ),
    );
    select.addEventListener("change", () => {
      const keys = pair.map((track) => track.key);
      keys[place] = select.value;
      location.hash = `#/compare/${keys[0]}/${keys[1]}`;
    });
    return element(
      "div",
      { class: "chooser" },
      element("span", { class: `mark mark-${name}` }),
      element("label", { class: "unseen", for: select.id }, place ? "Second track" : "First track"),
      select,
    );
  }
}

/** Return one side: the player and the taggram of a track. */
class Side {
  constructor(api, track, tags, choose) {
    this._track = track;
    const view = new View(track.duration);
    this._deck = new Deck(api, track, view, (stretch, how) => how === "end" && this._play(stretch), false);
    this.player = this._deck.player;
    const hear = (label, slot) => {
      choose(label);
      this.player.playFrom(track.slots.start(slot));
    };
    this._heatmap = new Heatmap(track, { choose, hear }, view, tags);
  }

  _play({ start, end }) {
    this.player.playFrom(start, end);
  }

  root(name, chooser) {
    const root = card(
      `side side-${name}`,
      this._track.title,
      chooser,
      this._deck.root,
      this._heatmap.head,
      this._heatmap.root,
    );
    this._deck.moves(root);
    return root;
  }

  show(label) {
    this._heatmap.show(label);
  }

  close() {
    this._deck.close();
    this._heatmap.close();
  }
}

/** Return the strongest tags of both tracks, by group. */
function strongest(left, right) {
  const strength = ({ label }) => Math.max(left.strength(label), right.strength(label));
  return inGroups(left, [...left.tags].sort((a, b) => strength(b) - strength(a)).slice(0, SHOWN));
}
