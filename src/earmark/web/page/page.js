// The page: it shows the view of the address, and holds what all views share.

import { Batch } from "./batch.js";
import { Comparison } from "./comparison.js";
import { Dropping } from "./dropping.js";
import { element } from "./element.js";
import { Lessons } from "./lessons.js";
import { Library } from "./library.js";
import { Live } from "./live.js";
import { LibraryMap } from "./map.js";
import { Missing } from "./missing.js";
import { Player } from "./player.js";
import { Preview } from "./preview.js";
import { Problem, problemCard, problemOf } from "./problem.js";
import { Progress } from "./progress.js";
import { Result } from "./result.js";
import { Scales } from "./scales.js";
import { Start } from "./start.js";
import { switchTheme } from "./switch.js";
import { Tabs } from "./tabs.js";
import { Teach } from "./teach.js";
import { Tracks } from "./tracks.js";
import { summarySentence } from "./words.js";

export class Page {
  /** @param {any} api the server's, or one that answers its addresses in the browser */
  constructor(api) {
    this.api = api;
    this.tracks = new Tracks(this.api);
    this.preview = new Preview(this.api);
    this.lessons = new Lessons();
    this.labels = [];
    this.scales = null;
    this.library = null;
    /** Whether words can be taught from tracks: those of a library, or those that were opened. */
    this.teaches = false;
    this._main = document.getElementById("main");
    this._status = document.getElementById("status");
    this._tabs = new Tabs(this);
    this._live = new Live(this.api);
    this._results = new Map();
    this._batch = new Batch(this);
    this._map = null;
    this._teach = null;
    this._start = null;
    this._view = null;
    document.getElementById("strip").append(this._tabs.root);
    switchTheme(document.getElementById("theme"));
    new Dropping((files) => this.openFiles(files));
    // The link moves the focus and leaves the address alone, because it names the track that is shown.
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      this._main.focus();
    });
  }

  /** Ask the server for its model and library, then show the view of the address. */
  async begin() {
    window.addEventListener("unhandledrejection", ({ reason }) => this._unforeseen(reason));
    window.addEventListener("error", ({ error }) => error && this._unforeseen(error));
    try {
      this._start = new Start(await this._limits(), this, this._live, this.library);
    } catch (error) {
      const again = element(
        "button",
        { class: "button", type: "button", on: { click: () => location.reload() } },
        "Try again",
      );
      this._main.replaceChildren(element("article", { class: "under-way" }, problemCard(problemOf(error), again)));
      return;
    }
    this._live.begin();
    this.tracks.addEventListener("change", () => this._tracksChanged());
    this.tracks.addEventListener("progress", (/** @type {CustomEvent} */ { detail }) => this._progressed(detail));
    this.tracks.addEventListener("key", (/** @type {CustomEvent} */ { detail }) => this._renamed(detail));
    window.addEventListener("beforeunload", (event) => this.tracks.unsent && event.preventDefault());
    window.addEventListener("hashchange", () => this._route(true));
    document.addEventListener("keydown", (event) => this._key(event));
    this.tracks.restore();
    this._route(false);
  }

  /** Return the server's limits, and store its model and library. */
  async _limits() {
    const [health, models] = await Promise.all([this.api.json("health"), this.api.json("v1/models")]);
    const model = models.find((one) => one.default) ?? models[0];
    this.labels = model.labels.map(({ label }) => label);
    this.scales = new Scales(model);
    document.getElementById("about").textContent = `earmark ${health.version}, model ${model.name}`;
    this.library = await this._libraryOf();
    this.teaches = this.library !== null || health.teaches === true;
    return health.limits;
  }

  /** @param {File[]} files */
  openFiles(files) {
    const [first] = this.tracks.openFiles(files);
    if (first?.inBatch) location.hash = "#/batch";
    else if (first) this.open(first);
  }

  open(track) {
    location.hash = track.address;
  }

  /** The key of the track that the address names, or null. */
  get shownKey() {
    return /^#\/track\/([^/?]+)/.exec(location.hash)?.[1] ?? null;
  }

  /** Put the moment of the shown track into the address, so that it can be sent, kept and reloaded. */
  remember(track) {
    if (track.key === this.shownKey) history.replaceState(null, "", track.address);
    this.tracks.remember();
    this._tabs.mark();
  }

  close(track) {
    const shown = location.hash.split(/[/?]/).includes(track.key);
    this._results.get(track)?.close();
    this._results.delete(track);
    this.tracks.close(track);
    if (shown) location.hash = track.inBatch && this.tracks.batch.length ? "#/batch" : "#/";
    else if (track.inBatch && !this.tracks.batch.length && location.hash === "#/batch") location.hash = "#/";
  }

  closeBatch() {
    for (const track of this.tracks.batch) {
      this._results.get(track)?.close();
      this._results.delete(track);
    }
    this.tracks.close(...this.tracks.batch);
    location.hash = "#/";
  }

  /** Return the server's library, or null if it has none. */
  async _libraryOf() {
    try {
      return new Library(this, (await this.api.json("v1/library")).tracks);
    } catch (error) {
      if (problemOf(error).status !== 404) throw error;
      return null;
    }
  }

  _route(moved) {
    if (location.hash && !location.hash.startsWith("#/")) return;
    const [path, query] = location.hash.split("?");
    const [, kind, ...keys] = path.split("/");
    const parts = new URLSearchParams(query);
    if (!kind) {
      this.library?.opened(parts);
      // A search that is typed on the page keeps the focus.
      this._show(this._start, null, moved && this._view !== this._start);
    } else if (kind === "map" && !keys.length && this.library) {
      this._map ??= new LibraryMap(this);
      this._show(this._map, "Map", moved && this._view !== this._map);
      this._map.opened(parts);
    } else if (kind === "teach" && !keys.length && this.teaches) {
      this._teach ??= new Teach(this);
      this._show(this._teach, "Teach", moved && this._view !== this._teach);
      this._teach.opened(parts);
    } else if (kind === "batch" && !keys.length && this.tracks.batch.length)
      this._show(this._batch, "Many files", moved);
    else if (kind === "track" && keys.length === 1) this._showTrack(keys[0], parts, moved);
    else if (kind === "compare" && keys.length === 2) this._showPair(keys, moved);
    else this._show(new Missing(), "Nothing here", moved);
    this._tabs.mark();
  }

  _showTrack(key, parts, moved) {
    const track = this.tracks.openFromLink(key);
    if (!track) {
      this._show(new Missing(), "Nothing here", moved);
      return;
    }
    if (parts.size) track.parts = parts;
    const view = this._viewOf(track);
    this._show(view, track.title, moved);
    if (view instanceof Result) view.showMoment();
  }

  /** Show two tracks, or the progress of the first that is not ready yet. */
  _showPair(keys, moved) {
    const tracks = keys.map((key) => this.tracks.openFromLink(key));
    const missing = tracks.includes(null) || tracks[0] === tracks[1];
    const waiting = tracks.find((track) => track?.state !== "heard");
    if (missing) this._show(new Missing(), "Nothing here", moved);
    else if (waiting) this._show(new Progress(this, waiting), waiting.title, moved);
    else this._show(new Comparison(this, tracks), "Two tracks", moved);
  }

  _viewOf(track) {
    if (track.state !== "heard") return new Progress(this, track);
    if (!this._results.has(track)) this._results.set(track, new Result(this, track));
    return this._results.get(track);
  }

  _show(view, title, moved) {
    Player.current?.pause();
    this.preview.stop();
    if (this._view instanceof Comparison || (this._view instanceof LibraryMap && view !== this._view))
      this._view.close();
    const focused = this._main.contains(document.activeElement) && this._view !== view;
    this._view = view;
    view.opened();
    this._main.replaceChildren(view.root);
    document.title = title ? `${title} · earmark` : "earmark";
    if (moved) window.scrollTo(0, 0);
    // A new view, or one that replaces the focused element, gets the focus at its title.
    if (moved || focused) view.root.querySelector("h1")?.focus({ preventScroll: true });
  }

  _tracksChanged() {
    this._tabs.redraw();
    this._view?.opened();
  }

  _progressed(track) {
    this._tabs.progress(track);
    if (track.inBatch) this._batch?.changed(track);
    const shown = track.key === this.shownKey;
    if (track.inBatch && !shown) return;
    if (track.state === "heard") {
      this._say(
        `${track.title} is ready. ${summarySentence(track)
          .map(({ text }) => text)
          .join("")}`,
      );
      this._view?.opened();
      if (shown) this._route(false);
      else if (location.hash.startsWith("#/compare/")) this._route(false);
    } else if (this._view instanceof Progress) this._view.changed();
    else if (track.state === "failed" && !shown) this._say(`${track.title} failed: ${track.message}.`);
  }

  _renamed({ old, track }) {
    this._tabs.progress(track);
    if (this.shownKey === old) history.replaceState(null, "", track.address);
    this._tabs.mark();
  }

  /** Play or pause on Space, unless the focused element uses that key. */
  _key(event) {
    if (event.key !== " " || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.target.closest("button, a, input, select, textarea, summary, dialog")) return;
    const player = Player.current ?? this._view?.player;
    if (!player) return;
    event.preventDefault();
    player.toggle();
  }

  /** Show an unexpected error of the page itself. */
  _unforeseen(error) {
    const problem = new Problem({
      title: "Something went wrong on this page",
      detail: String(error?.message ?? "The cause is unknown."),
      what_to_do: "Load the page again; your tracks are still there. If it happens again, please report it.",
    });
    const place = document.getElementById("unforeseen");
    const dismiss = element(
      "button",
      { class: "button", type: "button", on: { click: () => place.replaceChildren() } },
      "Dismiss",
    );
    place.replaceChildren(problemCard(problem, dismiss));
  }

  _say(text) {
    this._status.textContent = text;
  }
}
