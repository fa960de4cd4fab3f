// The scales of a model, described by the lengths of their segments.

/** Describes the scales of a model by the lengths of their segments. */
export class Scales {
  /** @param {object} model as `/v1/models` has it: `scales`, the shortest first, and their `scale_seconds` */
  constructor({ scales, scale_seconds: seconds = {} }) {
    this._order = scales;
    this._seconds = seconds;
  }

  /** Return "of 0.4 s", or "short" if the server does not state the length. */
  name(scale) {
    const seconds = this._seconds[scale];
    return seconds === undefined ? this._size(scale) : `of ${duration(seconds)}`;
  }

  /** Return "Sounds of 0.4 s", or "Short sounds". */
  sounds(scale) {
    const seconds = this._seconds[scale];
    const size = this._size(scale);
    return seconds === undefined ? `${size[0].toUpperCase()}${size.slice(1)} sounds` : `Sounds ${this.name(scale)}`;
  }

  /** Return "shorter than a second", "of 1.3 s", or "of short length". */
  plain(scale) {
    const seconds = this._seconds[scale];
    if (seconds === undefined) return `of ${this._size(scale)} length`;
    return seconds < 0.95 ? "shorter than a second" : `of about ${duration(seconds)}`;
  }

  /** Return "short sounds (0.4 s)", or "short sounds" if the server does not state the length. */
  words(scale) {
    const seconds = this._seconds[scale];
    return `${this._size(scale)} sounds${seconds === undefined ? "" : ` (${duration(seconds)})`}`;
  }

  _size(scale) {
    const rank = this._order.indexOf(scale);
    if (this._order.length === 1) return "all";
    return rank === 0 ? "short" : rank === this._order.length - 1 ? "longer" : "middling";
  }
}

function duration(seconds) {
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}
