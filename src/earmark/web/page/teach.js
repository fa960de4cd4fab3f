// The view in which a word is taught: thumbs on tracks, how well it is learned, what to ask next, and who has it.

import { element } from "./element.js";
import { entryName } from "./entry.js";
import { icon } from "./icon.js";
import { percent } from "./number.js";
import { problemCard, problemOf } from "./problem.js";
import { narrow, Table, tagList } from "./table.js";

const LEAST = 3;
const SHOWN = 10;
const PAUSE_MILLISECONDS = 400;

export class Teach {
  constructor(page) {
    this._page = page;
    this.player = null;
    this._word = "";
    this._shown = false;
    this._asked = 0;
    this._searched = 0;
    this._waiting = 0;
    this._tracks = new Map();
    this._input = element("input", {
      id: "teach-word",
      type: "text",
      maxlength: "60",
      autocomplete: "off",
      placeholder: "driving",
    });
    this._find = element("input", {
      id: "teach-find",
      type: "search",
      autocomplete: "off",
      placeholder: "fast guitar",
    });
    this._quality = element("div", { class: "teach-quality", "aria-live": "polite" });
    this._lists = {
      found: this._list("Find tracks that have it, and some that do not"),
      next: this._list("Asked next: these labels help most"),
      best: this._list("Who has it, most probable first"),
      examples: this._list("Your thumbs"),
    };
    this.root = element(
      "article",
      { class: "teach" },
      element("h1", { tabindex: "-1" }, "Teach a word by clicking"),
      element(
        "section",
        { class: "card", "aria-label": "The word" },
        this._form("teach-word", "Word", this._input, "Teach", () => this._begin()),
        this._quality,
      ),
      this._lists.next.root,
      element(
        "section",
        { class: "card", "aria-label": "Find tracks" },
        element("div", { class: "card-head" }, element("h2", {}, "Find tracks that have it, and some that do not")),
        this._form("teach-find", "Search", this._find, "Search", () => this._search()),
        this._lists.found.table.root,
      ),
      this._lists.best.root,
      this._lists.examples.root,
    );
    page.lessons.addEventListener("change", (/** @type {CustomEvent} */ { detail }) => {
      if (detail === this._word) this._changed();
    });
  }

  /** Show the word of an address. */
  opened(parts = null) {
    if (parts === null) return;
    const word = (parts.get("word") ?? "").trim();
    if (word === this._word && this._shown) return;
    this._shown = true;
    this._word = word;
    this._input.value = word;
    this._search();
    this._changed();
  }

  close() {}

  _form(id, label, input, text, act) {
    const submit = (event) => {
      event.preventDefault();
      act();
    };
    return element(
      "form",
      { class: "search", on: { submit } },
      element("label", { class: "unseen", for: id }, label),
      input,
      element("button", { class: "button primary", type: "submit" }, text),
    );
  }

  /** Return a card with a table of tracks that get thumbs. */
  _list(title) {
    const table = new Table(
      title,
      [
        { name: "Play", hidden: true, cell: ({ track }) => [this._play(track)] },
        {
          name: "Title",
          heads: true,
          kind: "track-name",
          cell: ({ track }) => [link(track), narrow(tagList(track.tags))],
        },
        { name: "Tags", kind: "track-tags", cell: ({ track }) => [tagList(track.tags)] },
        {
          name: "Probability",
          kind: "number",
          cell: ({ probability }) => [probability === null ? "" : percent(probability)],
        },
        { name: "Thumbs", cell: ({ track }) => [this._thumbs(track)] },
      ],
      () => {},
    );
    const root = element(
      "div", // its table is the landmark
      { class: "card", hidden: true },
      element("div", { class: "card-head" }, element("h2", {}, title)),
      table.root,
    );
    return { root, table, rows: [] };
  }

  _fill(name, rows) {
    const list = this._lists[name];
    for (const { track } of rows) this._tracks.set(track.number, track);
    list.rows = rows;
    list.root.hidden = !rows.length;
    list.table.show(rows);
  }

  _begin() {
    const word = this._input.value.trim();
    if (word) location.hash = `#/teach?${new URLSearchParams({ word })}`;
  }

  /** Show the tracks that a search finds; for a word that no track is known by, the newest. */
  async _search() {
    const wanted = this._find.value.trim();
    const searched = ++this._searched;
    try {
      let tracks = await this._found(wanted || this._word);
      if (!tracks.length && !wanted) tracks = await this._found("");
      if (searched !== this._searched) return;
      this._page.preview.stop();
      this._fill("found", tracks.map(row));
    } catch (error) {
      if (searched === this._searched) this._quality.replaceChildren(problemCard(problemOf(error)));
    }
  }

  async _found(q) {
    const path = `v1/library/search?${new URLSearchParams({ q, limit: String(SHOWN) })}`;
    return (await this._page.api.json(path)).tracks;
  }

  /** Show all thumbs, and learn again as soon as no further one is given for a moment. */
  _changed() {
    clearTimeout(this._waiting);
    this._asked += 1;
    this._quality.classList.remove("is-busy");
    for (const list of Object.values(this._lists)) {
      for (const each of list.rows) list.table.update(each, "Thumbs");
    }
    this._showExamples();
    const { yes, no } = this._page.lessons.examples(this._word);
    if (!this._word) {
      this._quality.replaceChildren(
        element("p", { class: "soft" }, "Choose a word of your own, such as a use, a mood or a taste."),
      );
      return;
    }
    if (yes.length < LEAST) {
      const left = LEAST - yes.length;
      this._quality.replaceChildren(
        element("p", {}, `Give ${left} more track${left === 1 ? "" : "s"} with “${this._word}” a thumb up.`),
      );
      return;
    }
    this._waiting = setTimeout(() => this._learn(yes, no), PAUSE_MILLISECONDS);
  }

  async _learn(yes, no) {
    const asked = this._asked;
    const word = this._word;
    this._quality.classList.add("is-busy");
    if (!this._quality.querySelector(".teach-measure")) {
      this._quality.replaceChildren(element("p", { class: "soft" }, "Learning"));
    }
    let told;
    try {
      told = await this._post("v1/teaching", { word, yes, no, count: SHOWN });
    } catch (error) {
      if (asked === this._asked) this._quality.replaceChildren(problemCard(problemOf(error)));
      return;
    } finally {
      if (asked === this._asked) this._quality.classList.remove("is-busy");
    }
    if (asked !== this._asked) return;
    this._page.preview.stop();
    this._showQuality(told, yes, no);
    this._fill("next", told.next);
    this._fill("best", told.best);
  }

  _post(path, body) {
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    return this._page.api.json(path, options);
  }

  _showQuality({ word, quality, advice, examples, others, count, total }, yes, no) {
    const measured = quality
      ? `Tells ${percent(quality.auc)} of pairs apart; 50% is chance (cross-validated AUC, ${percent(quality.low)} to ${percent(quality.high)})`
      : "Not measured yet";
    const drawn = others - no.length;
    const name = element("input", {
      id: "teach-name",
      value: folderName(word),
      maxlength: "60",
      "aria-label": "Name of the model",
    });
    const told = element("p", { class: "soft", role: "status" });
    const save = async () => {
      try {
        const saved = await this._post("v1/teaching/model", { word, yes, no, name: name.value.trim() });
        const query = new URLSearchParams({ q: /\s/.test(word) ? `"${word}"` : word });
        told.replaceChildren(
          saved.told ?? `Saved beside the library. Use it there with: ${saved.command}`,
          saved.searched ? element("a", { href: `#/?${query}` }, ` Search the library for ${word}`) : "",
        );
      } catch (error) {
        told.replaceChildren(problemCard(problemOf(error)));
      }
    };
    this._quality.replaceChildren(
      element("p", { class: "teach-measure" }, element("strong", {}, measured), "."),
      ...(quality
        ? [
            element("meter", {
              min: "0.5",
              max: "1",
              value: String(Math.max(0.5, quality.auc)),
              "aria-label": "Quality",
            }),
          ]
        : []),
      element(
        "p",
        { class: "soft" },
        `${examples} tracks with the word, ${others} without${drawn > 0 ? ` (${drawn} of them drawn from ${this._page.library ? "the library" : "the others"})` : ""}.`,
        advice ? ` ${advice[0].toUpperCase()}${advice.slice(1)}.` : "",
      ),
      element(
        "p",
        {},
        `${count.toLocaleString("en")} of ${total.toLocaleString("en")} tracks ${this._page.library ? "of the library " : ""}have it now.`,
      ),
      element(
        "form",
        {
          class: "search",
          on: {
            submit: (event) => {
              event.preventDefault();
              save();
            },
          },
        },
        name,
        element("button", { class: "button", type: "submit" }, icon("download"), "Save the model"),
        element(
          "button",
          { class: "button", type: "button", on: { click: () => this._page.lessons.forget(word) } },
          "Forget the thumbs",
        ),
      ),
      told,
    );
  }

  /** List the tracks that have thumbs; of those that no list has shown, ask the server. */
  async _showExamples() {
    const { yes, no } = this._page.lessons.examples(this._word);
    const numbers = [...yes, ...no];
    const asked = this._asked;
    const found = await Promise.all(numbers.map((number) => this._track(number)));
    if (asked !== this._asked) return;
    this._fill("examples", found.filter((track) => track !== null).map(row));
    if (yes.length < LEAST) {
      this._fill("next", []);
      this._fill("best", []);
    }
  }

  async _track(number) {
    if (this._tracks.has(number)) return this._tracks.get(number);
    try {
      return await this._page.api.json(`v1/library/tracks/${number}`);
    } catch (error) {
      if (problemOf(error).status !== 404) throw error;
      return null;
    }
  }

  _play(track) {
    return this._page.preview.button(`v1/library/tracks/${track.number}/audio`, entryName(track));
  }

  _thumbs(track) {
    const given = this._page.lessons.thumb(this._word, track.number);
    const thumb = (has, name) =>
      element(
        "button",
        {
          class: `thumb ${has ? "up" : "down"}`,
          type: "button",
          "aria-pressed": String(given === has),
          "aria-label": `${name}: ${entryName(track)}`,
          title: name,
          disabled: !this._word,
          on: { click: () => this._page.lessons.give(this._word, track.number, has) },
        },
        icon(has ? "up" : "thumbDown"),
      );
    return element("span", { class: "thumbs" }, thumb(true, "Has it"), thumb(false, "Does not have it"));
  }
}

function row(track) {
  return { track, probability: null };
}

function link(track) {
  return element("a", { href: `#/track/library-${track.number}`, title: track.name }, entryName(track));
}

/** Return a name for a model's folder. */
function folderName(word) {
  return (
    word
      .normalize("NFKD")
      .replaceAll(/[^A-Za-z0-9]+/g, "-")
      .replaceAll(/^-|-$/g, "") || "taught"
  );
}
