// The view of the library: a search, its results as a table in pages, and what they are saved as.

import { save, table } from "./download.js";
import { element } from "./element.js";
import { entryName } from "./entry.js";
import { icon } from "./icon.js";
import { clock, percent } from "./number.js";
import { problemCard, problemOf } from "./problem.js";
import { strip } from "./strip.js";
import { narrow, Table, tagList } from "./table.js";

const SHOWN = 20;
const TOGETHER = 1000;
/** The largest number of tracks of one playlist of the server. */
const IN_A_PLAYLIST = 100_000;
const CHIPS = 12;
const RELEVANCE = "relevance";
/** The address without a search. */
const NEWEST = "#/";
const NOTHING = "No track fits. Ask for fewer things, or set a lower bound such as piano>0.3.";
const NO_WORD = "No track has these words. Ask for what can be heard, such as sad piano.";
const EMPTY = "The library has no tracks yet. Add some with earmark library add FOLDER.";

export class Library {
  /** @param {number} count of its tracks */
  constructor(page, count) {
    this._page = page;
    this._asked = 0;
    this._search = { q: "", tags: [], offset: 0, sort: RELEVANCE };
    this._shownFor = null;
    this._strips = new Map();
    this._input = element("input", {
      id: "search",
      type: "search",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "sad piano",
      "aria-describedby": "search-hint",
    });
    this._told = element("p", { class: "readout", role: "status" });
    this._notes = element("div", { class: "notes" });
    this._chips = element("div", { class: "chips", role: "group", "aria-label": "Only tracks with" });
    this._found = element("div", { class: "found" });
    this._pages = element("nav", { class: "pages", "aria-label": "Pages of the results" });
    this._table = new Table(
      "Tracks of the library",
      [
        { name: "Play", hidden: true, cell: (track) => [this._play(track)] },
        {
          name: "Title",
          sort: "title",
          heads: true,
          kind: "track-name",
          cell: (track) => [link(track), narrow(tagsOf(track))],
        },
        { name: "Artist", sort: "artist", kind: "track-by", cell: ({ artist }) => [artist && artistOf(artist)] },
        { name: "Tags", kind: "track-tags", cell: (track) => [tagsOf(track)] },
        { name: "Over time", kind: "track-strip", cell: (track) => [this._strip(track)] },
        { name: "Length", sort: "duration", kind: "number", cell: (track) => [clock(track.duration_seconds)] },
      ],
      (by) => this._go({ sort: this._search.sort === by ? RELEVANCE : by, offset: 0 }),
    );
    this.root = element(
      "section",
      { class: "card library", "aria-label": "Library" },
      element(
        "div",
        { class: "card-head" },
        element("h2", {}, "Your library"),
        element("p", { class: "readout" }, `${count.toLocaleString("en")} tracks`),
      ),
      this._form(),
      element(
        "p",
        { class: "hint", id: "search-hint" },
        "Tags, titles, artists; or AND, OR, NOT: ",
        ...this._examples().flatMap((query, place) => [place ? " " : "", this._example(query)]),
      ),
      this._notes,
      this._chips,
      this._found,
      this._pages,
    );
  }

  /** Show the search of an address; the newest tracks for none. */
  opened(parts = new URLSearchParams()) {
    const offset = Math.max(0, Math.floor(Number(parts.get("from")) || 0));
    const sort = parts.get("sort") ?? RELEVANCE;
    this._search = { q: parts.get("q") ?? "", tags: parts.getAll("tag"), offset, sort };
    this.root.classList.toggle("is-searching", this._address() !== NEWEST);
    if (this._shownFor === this._address()) return;
    this._input.value = this._search.q;
    this._show();
  }

  _form() {
    return element(
      "form",
      { class: "search", role: "search", on: { submit: (event) => this._submit(event) } },
      element("label", { class: "unseen", for: "search" }, "Search the library"),
      this._input,
      element("button", { class: "button primary", type: "submit" }, icon("search"), element("span", {}, "Search")),
      element("a", { class: "button", href: "#/map" }, icon("map"), element("span", {}, "Map")),
      element("a", { class: "button", href: "#/teach" }, icon("up"), element("span", {}, "Teach")),
    );
  }

  /** Return examples of searches with tags of this model. */
  _examples() {
    const known = new Set(this._page.labels);
    /** @type {[string, string[]][]} */
    const wanted = [
      ["calm piano", ["piano"]],
      ["piano AND NOT vocals", ["piano", "vocals"]],
      ["guitar>0.6 OR strings", ["guitar", "strings"]],
    ];
    const fitting = wanted.filter(([, labels]) => labels.every((label) => known.has(label))).map(([query]) => query);
    return fitting.length ? fitting : this._page.labels.slice(0, 2).map(quoted);
  }

  _example(query) {
    const search = () => {
      this._input.value = query;
      this._go({ q: query, tags: [], offset: 0 });
    };
    return element("button", { class: "chip", type: "button", on: { click: search } }, query);
  }

  _submit(event) {
    event.preventDefault();
    this._go({ q: this._input.value.trim(), offset: 0 });
  }

  /** Go to the address of a search, which shows it; so that back, a reload and a link lead there. */
  _go(changed) {
    this._search = { ...this._search, ...changed }; // a new object, as results of the old one may still be saved
    if (location.hash === this._address()) this._show();
    else location.hash = this._address();
  }

  _address({ q, tags, offset, sort } = this._search) {
    const parts = new URLSearchParams();
    if (q) parts.set("q", q);
    for (const tag of tags) parts.append("tag", tag);
    if (offset) parts.set("from", String(offset));
    if (sort !== RELEVANCE) parts.set("sort", sort);
    return `#/${parts.size ? `?${parts}` : ""}`;
  }

  _path(offset, limit, { q, tags, sort } = this._search) {
    const parts = new URLSearchParams({ q, sort, offset: String(offset), limit: String(limit) });
    for (const tag of tags) parts.append("tag", tag);
    return `v1/library/search?${parts}`;
  }

  /** Show the tracks of the search. */
  async _show() {
    this._asked += 1;
    const asked = this._asked;
    this._shownFor = this._address();
    const { q, offset } = this._search;
    try {
      const found = await this._page.api.json(this._path(offset, SHOWN));
      if (asked !== this._asked) return;
      this._page.preview.stop();
      this._showFound(found);
    } catch (error) {
      const problem = problemOf(error);
      if (asked !== this._asked) return;
      this._shownFor = null;
      this._told.textContent = "";
      this._notes.replaceChildren();
      this._chips.replaceChildren();
      this._pages.replaceChildren(this._told);
      this._found.replaceChildren(problemCard(problem));
      if (problem.position !== null && this._input.value === q) this._pointAt(problem.position);
    }
  }

  _showFound({ tracks, total, notes, strict }) {
    const { q, tags, offset, sort } = this._search;
    this._notes.replaceChildren(...notes.map((note) => element("p", { class: "soft" }, note)));
    this._showChips(tracks);
    if (tracks.length) {
      this._table.show(tracks);
      this._table.sorted(sort, false);
      this._found.replaceChildren(this._table.root);
      this._askStrips(tracks);
    } else {
      const told = strict || tags.length ? NOTHING : q || offset ? NO_WORD : EMPTY;
      this._found.replaceChildren(element("p", { class: "soft" }, told));
    }
    this._told.textContent = tracks.length
      ? `${offset + 1} to ${offset + tracks.length} of ${total.toLocaleString("en")}`
      : "Nothing found";
    this._showPages(total, tracks.length);
  }

  _showPages(total, count) {
    const { offset } = this._search;
    const turn = (name, from) =>
      element("a", { class: "button", href: this._address({ ...this._search, offset: from }) }, name);
    const button = (name, text, act) =>
      element("button", { class: "button", type: "button", title: text, on: { click: act } }, icon("download"), name);
    this._pages.replaceChildren(
      this._told,
      offset > 0 ? turn("Previous", Math.max(0, offset - SHOWN)) : "",
      offset + count < total ? turn("Next", offset + SHOWN) : "",
      count ? button("CSV", "All results as a table", () => this._saveCsv()) : "",
      count ? button("M3U8", "All results as a playlist", () => this._savePlaylist()) : "",
    );
  }

  /** Show the tags that the shown tracks have as filters; those that all results have are pressed. */
  _showChips(tracks) {
    const counts = new Map();
    for (const { tags } of tracks) {
      for (const { label, has } of tags) {
        if (has) counts.set(label, (counts.get(label) ?? 0) + 1);
      }
    }
    const most = [...counts].sort((a, b) => b[1] - a[1]).map(([label]) => label);
    const asked = this._search.tags;
    const labels = [...asked, ...most.filter((label) => !asked.includes(label)).slice(0, CHIPS)];
    this._chips.replaceChildren(
      ...labels.map((label) =>
        element(
          "button",
          {
            class: "chip",
            type: "button",
            "data-label": label,
            "aria-pressed": String(asked.includes(label)),
            on: { click: () => this._filter(label) },
          },
          label,
        ),
      ),
    );
  }

  /** Show only tracks with a tag; at the second click, those without it too. */
  _filter(label) {
    const { tags } = this._search;
    this._go({ tags: tags.includes(label) ? tags.filter((tag) => tag !== label) : [...tags, label], offset: 0 });
  }

  /** Return all results, in parts that the server gives at once. */
  async _all() {
    const all = [];
    const search = this._search; // another may be typed while the parts arrive
    for (;;) {
      const { tracks, total } = await this._page.api.json(this._path(all.length, TOGETHER, search));
      all.push(...tracks);
      if (!tracks.length || all.length >= total) return all;
    }
  }

  async _saveCsv() {
    const columns = ["number", "title", "artist", "album", "genre", "year", "name", "duration_seconds", "score"];
    const rows = (await this._all()).map((track) => [
      ...columns.map((name) => track[name] ?? ""),
      track.tags.map(({ label, probability }) => `${label} ${probability.toFixed(3)}`).join("; "),
    ]);
    save("library.csv", table([[...columns, "tags"], ...rows]), "text/csv");
  }

  async _savePlaylist() {
    await savePlaylist(
      this._page.api,
      (await this._all()).map(({ number }) => number),
    );
  }

  /** Ask for the curves of the tracks whose tiny taggrams are not known yet. */
  async _askStrips(tracks) {
    const numbers = tracks.map(({ number }) => number).filter((number) => !this._strips.has(number));
    if (!numbers.length) return;
    const query = numbers.map((number) => `number=${number}`).join("&");
    let found;
    try {
      found = (await this._page.api.json(`v1/library/over-time?${query}`)).tracks;
    } catch (error) {
      problemOf(error); // the table is complete without its pictures
      return;
    }
    for (const { number, tags } of found) this._strips.set(number, tags);
    for (const track of tracks) this._table.update(track, "Over time");
  }

  _strip({ number }) {
    const tags = this._strips.get(number);
    return tags ? strip(tags) : null;
  }

  _play(track) {
    return this._page.preview.button(`v1/library/tracks/${track.number}/audio`, entryName(track));
  }

  /** Put the caret at the mistake in the search. */
  _pointAt(position) {
    this._input.focus();
    this._input.setSelectionRange(position, this._input.value.length);
  }
}

/** Save a playlist of tracks of the library, which plays them from the server. */
export async function savePlaylist(api, numbers) {
  const parts = ["#EXTM3U\n"];
  for (let start = 0; start < numbers.length; start += IN_A_PLAYLIST) {
    const answer = await api.fetch("v1/library/playlist", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ numbers: numbers.slice(start, start + IN_A_PLAYLIST) }),
    });
    parts.push((await answer.text()).replace(parts[0], ""));
  }
  save("earmark.m3u8", parts.join(""), "audio/x-mpegurl");
}

function link(track) {
  return element("a", { href: `#/track/library-${track.number}`, title: track.name }, entryName(track));
}

function artistOf(artist) {
  return element("span", { class: "track-artist", title: artist }, artist);
}

/** Return why a track was found, and its most probable other tags. */
function tagsOf({ why, tags }) {
  const told = why
    .filter(({ kind }) => kind !== "tag")
    .map(({ kind, text, probability }) => {
      return kind === "similar" ? `${percent(probability)} alike` : `${kind} ${text}`;
    });
  const asked = why.filter(({ kind }) => kind === "tag").map(({ text, probability }) => ({ label: text, probability }));
  const rest = tags.filter(({ label }) => !asked.some((tag) => tag.label === label));
  const list = tagList([...asked, ...rest]);
  const after = list.children[asked.length] ?? null; // the tags that were asked for say most
  for (const text of told) list.insertBefore(element("li", { class: "soft" }, text), after);
  return list;
}

function quoted(label) {
  return /\s/.test(label) ? `"${label}"` : label;
}
