// The view of the library: a search over tags joined by AND, OR and NOT.

import { element } from "./element.js";
import { entry } from "./entry.js";
import { icon } from "./icon.js";
import { percent } from "./number.js";
import { problemCard, problemOf } from "./problem.js";

const SHOWN = 20;
const LATEST = 6;
const NOTHING = "No track fits. Ask for fewer tags, or set a lower bound such as piano>0.3.";
const EMPTY = "The library has no tracks yet. Add some with earmark library add FOLDER.";

export class Library {
  /** @param {number} count of its tracks */
  constructor(page, count) {
    this._page = page;
    this._input = element("input", {
      id: "search",
      type: "search",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "piano AND NOT vocals",
      "aria-describedby": "search-hint",
    });
    this._told = element("p", { class: "unseen", role: "status" });
    this._found = element("div", { class: "found" });
    this._asked = 0;
    const form = element(
      "form",
      { class: "search", role: "search", on: { submit: (event) => this._submit(event) } },
      element("label", { class: "unseen", for: "search" }, "Search the library by tags"),
      this._input,
      element("button", { class: "button primary", type: "submit" }, icon("search"), element("span", {}, "Search")),
    );
    this.root = element(
      "section",
      { class: "card library", "aria-label": "Library" },
      element(
        "div",
        { class: "card-head" },
        element("h2", {}, "Or pick from the library"),
        element("p", { class: "readout" }, `${count.toLocaleString("en")} tracks`),
      ),
      form,
      element(
        "p",
        { class: "hint", id: "search-hint" },
        "Join tags with AND, OR and NOT: ",
        ...this._examples().flatMap((query, place) => [place ? " " : "", this._example(query)]),
      ),
      this._told,
      this._found,
    );
    this._show("", LATEST);
  }

  /** Return examples of searches with tags of this model. */
  _examples() {
    const known = new Set(this._page.labels);
    /** @type {[string, string[]][]} */
    const wanted = [
      ["piano AND NOT vocals", ["piano", "vocals"]],
      ["guitar>0.6 OR strings", ["guitar", "strings"]],
      ["calmness AND slow", ["calmness", "slow"]],
    ];
    const fitting = wanted.filter(([, labels]) => labels.every((label) => known.has(label))).map(([query]) => query);
    return fitting.length
      ? fitting
      : this._page.labels.slice(0, 2).map((label) => (/\s/.test(label) ? `"${label}"` : label));
  }

  _example(query) {
    const search = () => {
      this._input.value = query;
      this._search(query);
    };
    return element("button", { class: "chip", type: "button", on: { click: search } }, query);
  }

  _submit(event) {
    event.preventDefault();
    this._search(this._input.value.trim());
  }

  _search(query) {
    return query ? this._show(query, SHOWN) : this._show("", LATEST);
  }

  /** Show the tracks that match a search, or the newest ones. */
  async _show(query, count) {
    this._asked += 1;
    const asked = this._asked;
    let shown;
    let told;
    try {
      const { tracks } = await this._page.api.json(`v1/library/search?limit=${count}&q=${encodeURIComponent(query)}`);
      told = !query ? "" : tracks.length ? `${tracks.length} found` : "Nothing found";
      shown = tracks.length
        ? element("ul", { class: "entries" }, ...tracks.map((track) => entry(this._page, track, query ? fit : null)))
        : element("p", { class: "soft" }, query ? NOTHING : EMPTY);
    } catch (error) {
      const problem = problemOf(error);
      told = problem.title;
      shown = problemCard(problem);
      if (problem.position !== null) this._pointAt(problem.position);
    }
    if (asked !== this._asked) return;
    this._page.preview.stop();
    this._told.textContent = told;
    this._found.replaceChildren(shown);
  }

  /** Put the caret at the mistake in the search. */
  _pointAt(position) {
    this._input.focus();
    this._input.setSelectionRange(position, this._input.value.length);
  }
}

function fit({ why }) {
  return why
    .map(({ text, probability }) => (probability === null ? text : `${text} ${percent(probability)}`))
    .join(", ");
}
