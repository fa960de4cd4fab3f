// The view of many files that were dropped together: a table that is sorted, filtered and saved.

import { csvOf, save } from "./download.js";
import { element, unseen } from "./element.js";
import { icon } from "./icon.js";
import { clock } from "./number.js";
import { strip } from "./strip.js";
import { narrow, Table, tagList } from "./table.js";

const CHIPS = 12;
/** The lowest threshold, so that a tag which no track has is not given to all. */
const LEAST = 0.1;
const TAG = "tag:";

/** Shows the tracks of the batch, which has an address of its own. */
export class Batch {
  constructor(page) {
    this._page = page;
    this.player = null;
    this._by = "order";
    this._falling = false;
    this._tag = null;
    this._table = new Table(
      "The files of the batch",
      [
        { name: "Play", hidden: true, cell: (track) => [this._play(track)] },
        {
          name: "Track",
          sort: "title",
          heads: true,
          kind: "track-name",
          cell: (track) => [this._name(track), narrow(this._tags(track))],
        },
        { name: "Tags", sort: "tags", kind: "track-tags", cell: (track) => [this._tags(track)] },
        { name: "Over time", kind: "track-strip", cell: (track) => [track.state === "heard" ? curves(track) : null] },
        { name: "Length", sort: "length", kind: "number", cell: (track) => [length(track)] },
        { name: "State", sort: "state", kind: "track-state", cell: (track) => [state(track)] },
        { name: "Close", hidden: true, cell: (track) => [this._close(track)] },
      ],
      (by) => this._sort(by),
    );
    this._told = element("p", { class: "summary", role: "status" });
    this._bar = element(
      "div",
      { class: "progress", "aria-hidden": "true" },
      element("span", { class: "progress-fill" }),
    );
    this._chips = element("div", { class: "chips", role: "group", "aria-label": "Only tracks with" });
    this._save = element("button", { class: "button", type: "button", on: { click: () => this._saveCsv() } });
    this._save.append(icon("download"), "CSV");
    this.root = element(
      "article",
      { class: "batch" },
      element(
        "header",
        { class: "result-head" },
        element("div", { class: "result-title" }, element("h1", { tabindex: "-1" }, "Many files"), this._told),
        element(
          "div",
          { class: "actions" },
          this._save,
          element("button", { class: "button", type: "button", on: { click: () => page.closeBatch() } }, "Close all"),
        ),
      ),
      this._bar,
      this._chips,
      element("section", { class: "card", "aria-label": "Files" }, this._table.root),
    );
  }

  opened() {
    this._showAll();
  }

  close() {}

  /** Show the progress of a track. */
  changed(track) {
    this._table.update(track);
    this._count();
    if (!track.finished) return;
    this._showChips();
    this._showRows();
  }

  get _tracks() {
    return this._page.tracks.batch;
  }

  _sort(by) {
    this._falling = by === this._by ? !this._falling : ["tags", "length"].includes(by);
    this._by = by;
    this._showRows();
  }

  _showAll() {
    this._count();
    this._showChips();
    this._showRows();
  }

  _showRows() {
    const key = KEYS[this._by] ?? ((track) => -probability(track, this._by.slice(TAG.length)));
    const order = (a, b) => compared(key(a), key(b));
    const least = this._tag === null ? 0 : this._threshold(this._tag);
    const rows = this._tracks.filter((track) => this._tag === null || probability(track, this._tag) >= least);
    if (this._by !== "order") rows.sort((a, b) => (this._falling ? order(b, a) : order(a, b)));
    this._table.show(rows);
    this._table.sorted(this._by, this._falling);
  }

  _count() {
    const all = this._tracks;
    const ready = all.filter((track) => track.state === "heard").length;
    const failed = all.filter((track) => track.state === "failed").length;
    const left = all.length - ready - failed;
    const told = left ? `${ready} of ${all.length} files are ready` : `${ready} files are ready`;
    const text = `${told}${failed ? `, ${failed} failed` : ""}.`;
    if (this._told.textContent !== text) this._told.textContent = text;
    this._bar.hidden = !left;
    this._bar.style.setProperty("--share", String((ready + failed) / (all.length || 1)));
    this._save.disabled = !ready;
  }

  /** Return the probability with the highest F1 that is expected of these tracks, as searches of a library do. */
  _threshold(label) {
    const heard = this._tracks.filter((track) => track.state === "heard");
    const falling = heard.map((track) => probability(track, label)).sort((a, b) => b - a);
    const sum = falling.reduce((total, value) => total + value, 0);
    let [found, best, hits] = [LEAST, 0, 0];
    falling.forEach((value, index) => {
      hits += value;
      const expected = (2 * hits) / (index + 1 + sum);
      if (expected > best) [found, best] = [value, expected];
    });
    return Math.max(LEAST, found);
  }

  /** Show the tags of most tracks as filters. */
  _showChips() {
    const counts = new Map();
    const thresholds = new Map();
    for (const track of this._tracks) {
      if (track.state !== "heard") continue;
      for (const { label, probability: value } of track.tags) {
        if (!thresholds.has(label)) thresholds.set(label, this._threshold(label));
        if (value >= thresholds.get(label)) counts.set(label, (counts.get(label) ?? 0) + 1);
      }
    }
    const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, CHIPS);
    if (this._tag !== null && !most.some(([label]) => label === this._tag)) {
      most.push([this._tag, counts.get(this._tag) ?? 0]);
    }
    const { activeElement } = document;
    const focused = activeElement instanceof HTMLElement && this._chips.contains(activeElement) ? activeElement : null;
    this._chips.replaceChildren(
      ...most.map(([label, count]) =>
        element(
          "button",
          {
            class: "chip",
            type: "button",
            "data-label": label,
            "aria-pressed": String(label === this._tag),
            on: { click: () => this._filter(label) },
          },
          label,
          element("span", { class: "soft" }, ` ${count}`),
        ),
      ),
    );
    const again = [...this._chips.querySelectorAll("button")].find(
      (chip) => chip.dataset.label === focused?.dataset.label,
    );
    if (focused) again?.focus();
  }

  /** Show only tracks with a tag, those that have it most first; all of them at the second click. */
  _filter(label) {
    this._tag = this._tag === label ? null : label;
    this._by = this._tag === null ? "order" : TAG + label;
    this._falling = false;
    this._showChips();
    this._showRows();
  }

  _play(track) {
    if (track.state !== "heard") return null;
    return this._page.preview.button(track.audioPath, track.title);
  }

  _name(track) {
    return element("a", { href: track.address, title: track.name }, track.title);
  }

  _tags(track) {
    if (track.state === "failed") return element("span", { class: "wrong" }, track.message);
    return track.state === "heard" ? tagList(track.tags) : null;
  }

  _close(track) {
    const close = { click: () => this._page.close(track) };
    const label = `Close ${track.title}`;
    return element("button", { class: "tab-close", type: "button", "aria-label": label, on: close }, icon("close"));
  }

  /** Save all rows that are ready, in the order of the table. */
  _saveCsv() {
    const ready = [...this._table.rows].filter((track) => track.state === "heard");
    save("earmark tags.csv", csvOf(ready), "text/csv");
  }
}

const STATES = ["failed", "sending", "listening", "waiting", "heard"];
const KEYS = {
  order: () => 0,
  title: (track) => track.title.toLocaleLowerCase(),
  tags: (track) => (track.state === "heard" ? track.tags[0].probability : -1),
  length: (track) => track.duration ?? -1,
  state: (track) => STATES.indexOf(track.state),
};

function compared(a, b) {
  return typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
}

function probability(track, label) {
  return track.state === "heard" ? (track.probability(label) ?? 0) : -1;
}

function curves(track) {
  const tags = [...track.tags].sort((a, b) => track.strength(b.label) - track.strength(a.label)).slice(0, 5);
  return strip(tags.map(({ label }) => ({ label, curve: track.evidence[label].curve })));
}

function length(track) {
  return track.state === "heard" ? clock(track.duration) : "";
}

function state(track) {
  if (track.state === "heard") return unseen("ready");
  if (track.state === "failed") return element("span", { class: "wrong" }, "failed");
  return element(
    "span",
    { class: "soft" },
    track.state === "waiting" ? "waiting" : `${Math.round((track.share ?? 0) * 100)}%`,
  );
}
