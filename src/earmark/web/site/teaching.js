// Teaching words by the tracks that were opened. The browser keeps what was learned, and saves it as a model.

import { numbers, shuffled } from "../earmark/evidence.js";
import { Problem } from "../page/problem.js";

const KEPT = "earmark.words";
const LEAST_OTHERS = 5;
const TAGS = 4;

export class Teaching {
  /**
   * @param {import("./calls.js").Calls} calls
   * @param {Map<string, any>} tracks by identifier
   */
  constructor(calls, tracks) {
    this._calls = calls;
    this._tracks = tracks;
    this._tellWords();
    this.routes = [
      [/^v1\/library\/search$/, (_, { url }) => this._search(url.searchParams)],
      [/^v1\/library\/tracks\/(\d+)\/audio$/, ([number]) => new Response(this._track(number).file)],
      [/^v1\/library\/tracks\/(\d+)$/, ([number]) => described(this._track(number))],
      [/^v1\/teaching$/, (_, { body }) => this._lesson(JSON.parse(body))],
      [/^v1\/teaching\/model$/, (_, { body }) => this._save(JSON.parse(body))],
    ];
  }

  /** Forget a word that this browser keeps. */
  forget(word) {
    this._keep(this._kept.filter((each) => each.word !== word));
  }

  get _kept() {
    return JSON.parse(localStorage.getItem(KEPT) ?? "[]");
  }

  _keep(words) {
    localStorage.setItem(KEPT, JSON.stringify(words));
    this._tellWords();
  }

  _tellWords() {
    return this._calls.call("words", { words: this._kept });
  }

  get _heard() {
    return [...this._tracks].filter(([, { record }]) => record !== null);
  }

  _track(number) {
    const track = this._tracks.get(`library-${number}`);
    if (track?.record) return track;
    throw new Problem({
      title: "The track is not here",
      detail: "It is closed, or was not listened to yet.",
      what_to_do: "Drop the file again.",
      status: 404,
    });
  }

  /** Return the tracks whose names or tags fit the words, those with the most probable tags first. */
  _search(query) {
    const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const fits = ([, { file, record }]) => {
      const scores = words.map((word) => {
        if (file.name.toLowerCase().includes(word)) return 1;
        const tag = record.prediction.tags.find(({ label }) => label.toLowerCase().includes(word));
        return tag?.probability ?? 0;
      });
      return scores.reduce((product, score) => product * score, 1);
    };
    const found = this._heard
      .map((each) => ({ track: each[1], score: fits(each) }))
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score || b.track.number - a.track.number);
    return { tracks: found.slice(0, Number(query.get("limit"))).map(({ track, score }) => described(track, score)) };
  }

  async _lesson({ word, yes, no, count }) {
    const { taught, chances } = await this._learned(word, yes, no);
    const rows = this._heard.map(([id, track]) => ({ track: described(track, chances[id]), probability: chances[id] }));
    const known = new Set([...yes, ...no]);
    const doubt = ({ probability }) => Math.abs(probability - 0.5);
    return {
      ...taught,
      count: rows.filter(({ probability }) => probability >= 0.5).length,
      total: rows.length,
      next: rows
        .filter(({ track }) => !known.has(track.number))
        .sort((a, b) => doubt(a) - doubt(b))
        .slice(0, count),
      best: [...rows].sort((a, b) => b.probability - a.probability).slice(0, count),
    };
  }

  async _save({ word, yes, no, name }) {
    const { taught } = await this._learned(word, yes, no);
    this._keep([...this._kept.filter((each) => each.word !== word), taught]);
    const zip = await this._calls.call("saved", { taught, name });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([zip], { type: "application/zip" }));
    link.download = `${name}.zip`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    return {
      told:
        `Saved as ${name}.zip: unpack it, then use it with earmark tag --model ${name} song.mp3. This browser keeps the ` +
        "word too, and shows it for the songs that you drop from now on.",
    };
  }

  async _learned(word, yes, no) {
    for (const number of [...yes, ...no]) this._track(number);
    const left = this._heard
      .map(([, { number }]) => number)
      .filter((number) => !yes.includes(number) && !no.includes(number));
    const missing = Math.max(0, Math.max(LEAST_OTHERS, yes.length) - no.length);
    // Most tracks have no given word, so that others count as examples without it.
    const drawn = shuffled(left.length, numbers(0))
      .slice(0, missing)
      .map((place) => left[place]);
    const ids = (all) => all.map((number) => `library-${number}`);
    try {
      return await this._calls.call("teach", { word, yes: ids(yes), no: ids([...no, ...drawn]) });
    } catch (error) {
      if (error.name !== "EarmarkError") throw error;
      throw new Problem({
        title: "The word cannot be taught",
        detail: error.message,
        what_to_do: "Where tracks are missing, drop more songs, and give some a thumb up and some a thumb down.",
        status: 422,
      });
    }
  }
}

/** Return a track as the server describes one of its library. */
function described({ number, file, record }, score = 1) {
  const { tags, duration_seconds: seconds } = record.prediction;
  const unknown = { title: null, artist: null, album: null, genre: null, year: null };
  return { number, name: file.name, ...unknown, score, duration_seconds: seconds, tags: tags.slice(0, TAGS), why: [] };
}
