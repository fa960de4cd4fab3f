// The thumbs that somebody gave to tracks of the library, by word. The browser's tab stores them.

const STORED = "earmark.lessons";

/** Holds, for each word, the tracks that have it and that do not. It dispatches "change" with the word. */
export class Lessons extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, Map<number, boolean>>} */
    this._words = new Map(
      JSON.parse(sessionStorage.getItem(STORED) ?? "[]").map(([word, thumbs]) => [word, new Map(thumbs)]),
    );
  }

  /** The words that tracks were given thumbs for. */
  get words() {
    return [...this._words.keys()];
  }

  /** Return whether a track has a word, or null if nobody said so. */
  thumb(word, number) {
    return this._words.get(word)?.get(number) ?? null;
  }

  /** Give a thumb; the same one again takes it back. */
  give(word, number, has) {
    const thumbs = this._words.get(word) ?? new Map();
    if (thumbs.get(number) === has) thumbs.delete(number);
    else thumbs.set(number, has);
    this._words.set(word, thumbs);
    this._changed(word);
  }

  forget(word) {
    this._words.delete(word);
    this._changed(word);
  }

  /** Return the numbers of the tracks with a word and of those without it. */
  examples(word) {
    const thumbs = [...(this._words.get(word) ?? [])];
    return {
      yes: thumbs.filter(([, has]) => has).map(([number]) => number),
      no: thumbs.filter(([, has]) => !has).map(([number]) => number),
    };
  }

  _changed(word) {
    sessionStorage.setItem(STORED, JSON.stringify([...this._words].map(([each, thumbs]) => [each, [...thumbs]])));
    this.dispatchEvent(new CustomEvent("change", { detail: word }));
  }
}
