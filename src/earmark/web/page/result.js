// The result of a track: its tags, tags over time and evidence.

import { Deck } from "./deck.js";
import { Dock } from "./dock.js";
import { downloads } from "./download.js";
import { element } from "./element.js";
import { Evidence } from "./evidence.js";
import { Heatmap } from "./heatmap.js";
import { icon } from "./icon.js";
import { menu } from "./menu.js";
import { clockEnd } from "./number.js";
import { Similar } from "./similar.js";
import { Tags } from "./tags.js";
import { summary, summarySentence } from "./words.js";

export class Result {
  /**
   * @param {import("./page.js").Page} page
   * @param {import("./track.js").Track} track
   */
  constructor(page, track) {
    this._page = page;
    this._track = track;
    const choose = (label) => this.choose(label);
    this._deck = new Deck(page.api, track);
    this.player = this._deck.player;
    this._tags = new Tags(track, choose);
    this._heatmap = new Heatmap(track, { choose, play: (seconds) => this.player.playFrom(seconds) });
    this._evidence = new Evidence(track, page.scales, (start, end) => this.player.playFrom(start, end));
    this._dock = new Dock(track, this.player, () => this._explain());
    this._compare = element("div", { class: "compare-place" });
    this.root = element(
      "article",
      { class: "result" },
      this._head(),
      element(
        "div",
        { class: "columns" },
        card("player", "Player", this._deck.root),
        card("what", null, cardHead("What", key()), this._tags.root),
        card("when", null, cardHead("When", this._heatmap.head), this._heatmap.root),
        card("why", null, this._evidence.root),
      ),
      page.library ? new Similar(page, track).root : null,
      this._dock.root,
    );
    this._deck.addEventListener("slot", (/** @type {CustomEvent} */ { detail }) => this._tags.now(detail));
    this._deck.moves(this.root);
    this.opened();
    const { sure, parts } = summary(track);
    this.choose([...sure, ...parts, track.tags[0].label][0]);
  }

  /** Select a tag in all parts of the result. */
  choose(label) {
    this._tags.show(label);
    this._deck.show(label);
    this._heatmap.show(label);
    this._evidence.show(label);
    this._dock.show(label);
  }

  _explain() {
    this._evidence.root.scrollIntoView({ behavior: "smooth", block: "center" });
    this._evidence.root.querySelector("h2").focus({ preventScroll: true });
  }

  /** Update the menu of comparisons after tracks were opened or closed. */
  opened() {
    const others = this._page.tracks.heard.filter((other) => other !== this._track);
    const items = others.map((other) => ({
      text: other.title,
      href: `#/compare/${this._track.key}/${other.key}`,
    }));
    if (!items.length) items.push({ text: "Open another track first", href: "#/" });
    this._compare.replaceChildren(menu("Compare with", icon("compare"), items));
  }

  close() {
    this._deck.close();
    this._heatmap.close();
  }

  _head() {
    const pieces = summarySentence(this._track).map(({ text, strong, soft }) =>
      strong ? element("strong", {}, text) : soft ? element("span", { class: "soft" }, text) : text,
    );
    return element(
      "header",
      { class: "result-head" },
      element(
        "div",
        { class: "result-title" },
        element("h1", { tabindex: "-1" }, this._track.title),
        element("p", { class: "summary" }, ...pieces),
        ...notes(this._track),
      ),
      element("div", { class: "actions" }, this._compare, downloads(this._track)),
    );
  }
}

/** Return a section with a background of its own. */
export function card(name, label, ...children) {
  return element("section", { class: `card ${name}`, "aria-label": label ?? name }, ...children);
}

export function cardHead(title, aside) {
  const beside = typeof aside === "string" ? element("p", { class: "readout" }, aside) : aside;
  return element("div", { class: "card-head" }, element("h2", {}, title), beside);
}

/** Return the legend of the two shades of a bar. */
function key() {
  return element(
    "p",
    { class: "readout key" },
    element("span", { class: "key-whole" }),
    "whole track",
    element("span", { class: "key-peak" }),
    "peak",
  );
}

/** Return notes about a file that is truncated or very short, or whose promises are withheld. */
function notes({ prediction, duration }) {
  const texts = [];
  if (prediction.truncated)
    texts.push(`The file is incomplete: it should be longer than the ${clockEnd(duration)} that could be read.`);
  if (prediction.short.length)
    texts.push("The sound is so short that it was repeated for the analysis. Its tags are less reliable.");
  if (prediction.withheld) texts.push(`No tag of music is promised: ${prediction.withheld.sentence}.`);
  return texts.map((text) => element("p", { class: "note" }, icon("wrong"), text));
}
