// The card of the live sound and its present tags.

import { element } from "./element.js";
import { events } from "./events.js";
import { clock, percent } from "./number.js";
import { problemOf } from "./problem.js";

const SHOWN = 8;
const AGAIN_SECONDS = 5;

/** Shows the card, if the server has a live sound. */
export class Live {
  constructor(api) {
    this._api = api;
    this._places = [];
    this._title = element("span", {}, "Listening now");
    this._told = element("p", { class: "readout" });
    this._bars = element("ul", { class: "bars" });
    this.root = element(
      "section",
      { class: "card live", "aria-label": "Live", hidden: true },
      element(
        "div",
        { class: "card-head" },
        element("h2", {}, element("span", { class: "live-dot" }), this._title),
        this._told,
      ),
      this._bars,
    );
  }

  /** Follow the events to the last one, and connect again after an interruption. */
  async begin() {
    for (;;) {
      try {
        for await (const { name, data } of events(this._api, "v1/live")) {
          this.root.hidden = false;
          if (name === "notice") this._notify(data);
          if (name === "tags") this._show(data);
          if (name === "ended") {
            this._end(data);
            return;
          }
        }
      } catch (error) {
        const problem = problemOf(error);
        if (problem.status === 404) return;
        this._told.textContent = problem.title;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_SECONDS * 1000));
    }
  }

  _notify({ detail }) {
    this._told.textContent = detail;
  }

  _show({ seconds, window_seconds: window, withheld, tags }) {
    const last = `the last ${Math.round(window)} s`;
    this._told.textContent = `${clock(seconds)}, ${withheld ? withheld.sentence : last}`;
    this._keepPlaces(tags.slice(0, SHOWN));
  }

  _end({ overall, problem }) {
    this.root.classList.add("is-over");
    this._title.textContent = problem ? "The stream broke off" : "Listened to the end";
    this._told.textContent = problem ?? (overall ? `all of ${clock(overall.seconds)}` : "no sound arrived");
    if (overall) this._keepPlaces(overall.tags.slice(0, SHOWN));
  }

  /** Update the tags: those that stay keep their rows, and new ones replace those that have gone. */
  _keepPlaces(tags) {
    const now = new Map(tags.map((tag) => [tag.label, tag]));
    const kept = new Set(this._places.filter((label) => now.has(label)));
    const coming = tags.map(({ label }) => label).filter((label) => !kept.has(label));
    const places = this._places.map((label) => (kept.has(label) ? label : coming.shift())).filter(Boolean);
    this._places = [...places, ...coming];
    this._places.forEach((label, place) => {
      if (place >= this._bars.children.length) this._bars.append(row());
      fill(this._bars.children[place], now.get(label));
    });
  }
}

function row() {
  const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span", { class: "bar-fill" }));
  return element(
    "li",
    { class: "tag" },
    element("span", { class: "tag-label" }),
    bar,
    element("span", { class: "tag-value" }),
  );
}

function fill(row, { label, probability }) {
  const [name, bar, value] = row.children;
  name.textContent = label;
  bar.style.setProperty("--share", String(probability));
  value.textContent = percent(probability);
}
