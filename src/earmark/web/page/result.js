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
import { copyLink } from "./share.js";
import { Similar } from "./similar.js";
import { Tags } from "./tags.js";
import { View } from "./view.js";
import { summary, summarySentence } from "./words.js";

const SHORTEST_SECONDS = 2;

export class Result {
  /**
   * @param {import("./page.js").Page} page
   * @param {import("./track.js").Track} track
   */
  constructor(page, track) {
    this._page = page;
    this._track = track;
    const choose = (label) => this.choose(label);
    this._view = new View(track.duration);
    this._deck = new Deck(page.api, track, this._view, (stretch, how) => this._select(stretch, how));
    this.player = this._deck.player;
    this._tags = new Tags(track, choose);
    this._heatmap = new Heatmap(track, { choose, hear: (label, slot) => this._hear(label, slot) }, this._view);
    const wishes = {
      play: (start, end) => this.player.playFrom(start, end),
      hear: (slot) => this._hear(track.moment.tag, slot),
      whole: () => this._explain({ start: null, end: null }),
    };
    this._evidence = new Evidence(track, page.scales, wishes, page.teaches ? page.lessons : null);
    this._dock = new Dock(track, this.player, () => this._goToEvidence());
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
    this._view.addEventListener("change", () => this._mark(this._stretch));
    this.opened();
    this.showMoment();
  }

  /** Select a tag in all parts of the result, for the stretch that is explained. */
  choose(label) {
    this._explain({ tag: label });
  }

  /** Show the tag and the stretch of the track's moment, and go to its second. */
  showMoment() {
    const { tag, start, end } = this._track.moment;
    const { sure, parts } = summary(this._track);
    const known = this._track.evidence[tag] ? tag : [...sure, ...parts, this._track.tags[0].label][0];
    const inside = start === null || start >= this._track.duration ? null : start;
    this._track.moment = { tag: known, start: inside, end: inside === null || end === null ? null : end };
    this._showAll();
    if (inside === null) return;
    this.player.seek(inside);
    this._view.follow(inside);
  }

  /** Play and explain the slot of a tag. */
  _hear(label, slot) {
    const start = this._track.slots.start(slot);
    this._explain({ tag: label, start, end: null });
    this._view.follow(start);
    this.player.playFrom(start);
  }

  /** Mark the stretch that somebody drags over; explain and play it in the end. */
  _select({ start, end }, how) {
    const middle = (start + end) / 2;
    const half = Math.max(end - start, SHORTEST_SECONDS) / 2;
    const stretch = { start: Math.max(0, middle - half), end: Math.min(this._track.duration, middle + half) };
    this._mark(stretch);
    if (how === "drag") return;
    this._explain(stretch);
    if (how === "end") this.player.playFrom(stretch.start, stretch.end);
  }

  /** Change the moment, and show it everywhere. */
  _explain(moment) {
    Object.assign(this._track.moment, moment);
    this._showAll();
    this._page.remember(this._track);
  }

  /** The stretch that is explained, or null for the whole track. */
  get _stretch() {
    const { start, end } = this._track.moment;
    if (start === null) return null;
    if (end !== null && end > start) return { start, end: Math.min(end, this._track.duration) };
    return this._track.window(this._track.slots.at(start));
  }

  _showAll() {
    const { tag } = this._track.moment;
    this._tags.show(tag);
    this._deck.show(tag);
    this._heatmap.show(tag);
    this._evidence.show(tag, this._stretch);
    this._dock.show(tag);
    this._mark(this._stretch);
  }

  /** Mark a stretch in all plots. */
  _mark(stretch) {
    const place = (seconds) => String(Math.min(1, Math.max(0, this._view.place(seconds))));
    this.root.classList.toggle("has-stretch", stretch !== null);
    if (!stretch) return;
    this.root.style.setProperty("--from", place(stretch.start));
    this.root.style.setProperty("--to", place(stretch.end));
  }

  _goToEvidence() {
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
    this._evidence.root.scrollIntoView({ behavior, block: "center" });
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
      element(
        "div",
        { class: "actions" },
        this._page.api.hasLinks ? copyLink() : null,
        this._compare,
        downloads(this._track),
      ),
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
