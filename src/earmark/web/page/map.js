// The view of the library as a map: similar tracks are close, a tag colours them, a lasso makes a playlist.

import { element } from "./element.js";
import { entryName } from "./entry.js";
import { icon } from "./icon.js";
import { savePlaylist } from "./library.js";
import { heatGradient } from "./palette.js";
import { Player } from "./player.js";
import { Points } from "./points.js";
import { problemCard, problemOf } from "./problem.js";
import { tagList } from "./table.js";

const NAMES = 12;
const LEAST_NAMED = 3;
const LISTED = 12;
const HEAR_AFTER_MILLISECONDS = 250;
const SHOW_AFTER_MILLISECONDS = 60;

export class LibraryMap {
  constructor(page) {
    this._page = page;
    this.player = null;
    this._map = null;
    this._points = null;
    this._tag = null;
    this._chosen = [];
    this._tracks = new Map();
    this._waiting = 0;
    this._loading = null;
    this._place = element("div", { class: "map-place" });
    this._select = element("select", { id: "map-tag", on: { change: () => this._colourBy(this._select.value) } });
    this._told = element("p", { class: "readout" });
    this._hovered = element("div", { class: "map-hovered", "aria-live": "polite" });
    this._list = element("div", { class: "map-chosen" });
    this._sound = element("input", { type: "checkbox", id: "map-sound", checked: true });
    /** The number of the newest wish to see a track; answers to older ones are dropped. */
    this._asked = 0;
    this.root = element(
      "article",
      { class: "map" },
      element(
        "header",
        { class: "result-head" },
        element("h1", { tabindex: "-1" }, "Map of your library"),
        element("div", { class: "actions" }, element("a", { class: "button", href: "#/" }, "Back to the list")),
      ),
      element(
        "div",
        { class: "map-columns" },
        element("section", { class: "card", "aria-label": "Map" }, this._tools(), this._place),
        element("section", { class: "card map-side", "aria-label": "Tracks" }, this._told, this._hovered, this._list),
      ),
    );
  }

  /** Show the map, with the tag of an address. */
  opened(parts = null) {
    if (parts === null) return;
    this._tag = parts.get("tag") ?? this._tag;
    if (this._map === null) this._loading ??= this._load();
    else if (this._select.value !== this._tag) this._colourBy(this._tag);
  }

  close() {
    this._asked += 1;
    clearTimeout(this._waiting);
    this._player?.close();
    this._player = null;
  }

  _tools() {
    const way = (name, isLasso) => {
      const radio = element("input", { type: "radio", name: "map-way", checked: isLasso });
      radio.addEventListener("change", () => {
        if (this._points) this._points.isLasso = isLasso;
      });
      return element("label", {}, radio, element("span", {}, name));
    };
    const zoom = (name, text, steps) =>
      element(
        "button",
        { class: "button round", type: "button", "aria-label": text, on: { click: () => this._points?.zoom(steps) } },
        name,
      );
    this._ramp = element("span", { class: "legend-scale" });
    return element(
      "div",
      { class: "map-tools" },
      element("label", { for: "map-tag" }, "Colour by"),
      this._select,
      element("p", { class: "legend" }, element("span", {}, "0%"), this._ramp, element("span", {}, "100%")),
      element(
        "fieldset",
        { class: "choice" },
        element("legend", { class: "unseen" }, "A drag"),
        way("Lasso", true),
        way("Move", false),
      ),
      zoom("+", "Zoom in", 2),
      zoom("−", "Zoom out", -2),
      element("label", { class: "map-hear" }, this._sound, "Hear on hover"),
    );
  }

  async _load() {
    this._place.replaceChildren(element("p", { class: "soft" }, "Laying out the library"));
    try {
      this._map = await this._page.api.json("v1/library/map");
    } catch (error) {
      this._loading = null;
      this._place.replaceChildren(problemCard(problemOf(error)));
      return;
    }
    const { x, y, tags, labels, further, numbers, share } = this._map;
    const counts = labels.map((label, tag) => ({ label, tag, count: 0 }));
    for (const tag of tags) counts[tag].count += 1;
    const most = [...counts].sort((a, b) => b.count - a.count);
    const named = most.filter(({ count }) => count >= LEAST_NAMED).slice(0, NAMES);
    this._points?.close();
    this._points = new Points(
      x,
      y,
      named.map(({ label, tag }) => middle(label, tag, this._map)),
    );
    this._points.addEventListener("hover", (/** @type {CustomEvent} */ { detail }) => this._hover(detail));
    this._points.addEventListener("choose", (/** @type {CustomEvent} */ { detail }) => this._openChosen(detail));
    this._points.addEventListener("lasso", (/** @type {CustomEvent} */ { detail }) => this._choose(detail));
    const known = [...labels, ...further];
    this._select.replaceChildren(...known.map((label) => element("option", { value: label }, label)));
    this._place.replaceChildren(this._points.root);
    this._told.textContent = `${numbers.length.toLocaleString("en")} tracks; the two directions show ${Math.round(share * 100)}% of how they differ.`;
    this._choose([]);
    await this._colourBy(known.includes(this._tag) ? this._tag : (most[0]?.label ?? null));
  }

  /** Colour the points by a tag, and put it into the address. */
  async _colourBy(label) {
    if (label === null) return;
    this._tag = label;
    this._select.value = label;
    this._ramp.style.setProperty("background", heatGradient());
    if (location.hash.startsWith("#/map")) {
      history.replaceState(null, "", `#/map?${new URLSearchParams({ tag: label })}`);
    }
    try {
      const { probabilities, threshold } = await this._page.api.json(
        `v1/library/map/tag?${new URLSearchParams({ tag: label })}`,
      );
      if (this._tag !== label) return;
      if (probabilities.length !== this._map.numbers.length) {
        await this._load(); // tracks were added meanwhile
        return;
      }
      this._probabilities = probabilities;
      this._threshold = threshold;
      this._points.shade(probabilities);
      if (!this._chosen.length) this._choose([]);
    } catch (error) {
      if (this._tag === label) this._hovered.replaceChildren(problemCard(problemOf(error)));
    }
  }

  /** Show a track, and play it if somebody stays on it. */
  _hover(index) {
    const asked = ++this._asked;
    clearTimeout(this._waiting);
    this._player?.close();
    this._player = null;
    if (index === null) return;
    this._waiting = setTimeout(async () => {
      const track = await this._track(index);
      if (!track || asked !== this._asked) return;
      this._hovered.replaceChildren(this._card(track));
      if (!this._sound.checked) return;
      this._waiting = setTimeout(() => this._play(track), HEAR_AFTER_MILLISECONDS);
    }, SHOW_AFTER_MILLISECONDS);
  }

  _play({ number, duration_seconds: duration }) {
    this._player?.close();
    this._player = new Player(this._page.api, `v1/library/tracks/${number}/audio`, duration);
    this._player.playFrom(duration / 3);
  }

  async _openChosen(index) {
    const asked = ++this._asked;
    clearTimeout(this._waiting);
    const track = index === null ? null : await this._track(index);
    if (!track || asked !== this._asked) return;
    this._hovered.replaceChildren(this._card(track));
    this._play(track);
  }

  /** Return a track by the index of its point, or null after a failure, which is shown. */
  async _track(index) {
    const number = this._map.numbers[index];
    if (!this._tracks.has(number)) {
      try {
        this._tracks.set(number, await this._page.api.json(`v1/library/tracks/${number}`));
      } catch (error) {
        this._hovered.replaceChildren(problemCard(problemOf(error)));
        return null;
      }
    }
    return this._tracks.get(number);
  }

  _card(track) {
    return element(
      "div",
      { class: "map-track" },
      element("a", { class: "entry-name", href: `#/track/library-${track.number}` }, entryName(track)),
      track.artist ? element("p", { class: "soft" }, track.artist) : null,
      tagList(track.tags, 5),
    );
  }

  /** Show the tracks inside the lasso; none chooses nothing. */
  _choose(indices) {
    this._chosen = indices;
    this._points.highlight(indices.length ? indices : null);
    if (!indices.length) {
      this._list.replaceChildren(
        element("p", { class: "hint" }, "Draw a lasso around tracks to make a playlist of them, or choose"),
        element(
          "button",
          { class: "button", type: "button", on: { click: () => this._chooseByTag() } },
          `all with ${this._tag ?? "the tag"}`,
        ),
      );
      return;
    }
    const numbers = indices.map((index) => this._map.numbers[index]);
    const list = element("ol", { class: "map-list" });
    this._list.replaceChildren(
      element("h2", { role: "status" }, `${indices.length.toLocaleString("en")} tracks chosen`),
      element(
        "div",
        { class: "actions" },
        element(
          "button",
          { class: "button primary", type: "button", on: { click: () => savePlaylist(this._page.api, numbers) } },
          icon("download"),
          "M3U8",
        ),
        element("button", { class: "button", type: "button", on: { click: () => this._choose([]) } }, "Clear"),
      ),
      list,
    );
    this._listTracks(list, indices);
  }

  _chooseByTag() {
    const indices = [];
    this._probabilities?.forEach((probability, index) => {
      if (probability >= this._threshold) indices.push(index);
    });
    if (indices.length) this._choose(indices);
    else this._list.append(element("p", { class: "soft", role: "status" }, `No track has ${this._tag}.`));
  }

  /** List the first tracks of a choice. */
  async _listTracks(list, indices) {
    for (const index of indices.slice(0, LISTED)) {
      const track = await this._track(index);
      if (this._chosen !== indices) return;
      if (!track) continue;
      const name = entryName(track);
      list.append(
        element(
          "li",
          {},
          this._page.preview.button(`v1/library/tracks/${track.number}/audio`, name),
          element("a", { class: "entry-name", href: `#/track/library-${track.number}`, title: name }, name),
        ),
      );
    }
    if (indices.length > LISTED) list.append(element("li", { class: "hint" }, `and ${indices.length - LISTED} more`));
  }
}

/** Return the name of a tag at the median of the tracks for which it is the most distinctive. */
function middle(label, tag, { x, y, tags }) {
  const own = tags.flatMap((each, index) => (each === tag ? [index] : []));
  const median = (values) => own.map((index) => values[index]).sort((a, b) => a - b)[own.length >> 1];
  return { text: label, x: median(x), y: median(y) };
}
