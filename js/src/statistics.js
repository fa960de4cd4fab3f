// The statistics that turn segments into vectors: of a whole sound, of windows, and of stored groups.

import { joined, Matrix } from "./matrix.js";
import { centreSeconds, rowSeconds } from "./segments.js";

/** @typedef {import("./bundle.js").Extractor} Extractor */

const GROUP_SECONDS = 1.254;
const SLACK_SECONDS = 1e-9;

/**
 * Return the number of channels of every level of an extractor.
 *
 * @param {Extractor} extractor
 */
function levelWidths(extractor) {
  return extractor.levels.map((level) => extractor.convolutions[level - 1].channels);
}

/** The running statistics of one scale's levels over segments; sums are float64. */
export class Statistics {
  /** @param {Extractor} extractor */
  constructor(extractor) {
    this._kind = extractor.track_statistic;
    this._widths = levelWidths(extractor);
    const width = this._widths.reduce((sum, each) => sum + each, 0);
    this._sum = new Float64Array(width);
    this._squares = new Float64Array(this._kind === "mean+deviation" ? width : 0);
    this._maximum = new Float32Array(this._kind === "max" ? width : 0).fill(Number.NEGATIVE_INFINITY);
    this.count = 0;
  }

  /**
   * Add the levels of some segments, (segments, width).
   *
   * @param {Matrix} levels
   */
  add(levels) {
    this.count += levels.rows;
    for (let segment = 0; segment < levels.rows; segment += 1) {
      const row = levels.row(segment);
      if (this._kind === "max") {
        for (let at = 0; at < row.length; at += 1) if (row[at] > this._maximum[at]) this._maximum[at] = row[at];
        continue;
      }
      for (let at = 0; at < row.length; at += 1) this._sum[at] += row[at];
      for (let at = 0; at < this._squares.length; at += 1) this._squares[at] += row[at] * row[at];
    }
  }

  /**
   * Add a group of segments by its vector.
   *
   * @param {Float32Array} vector
   * @param {number} count of its segments
   */
  addVector(vector, count) {
    this.count += count;
    if (this._kind === "max") {
      for (let at = 0; at < vector.length; at += 1) this._maximum[at] = Math.max(this._maximum[at], vector[at]);
    } else if (this._kind === "mean") {
      for (let at = 0; at < vector.length; at += 1) this._sum[at] += count * vector[at];
    } else {
      let [from, to] = [0, 0];
      for (const width of this._widths) {
        for (let at = 0; at < width; at += 1) {
          const [mean, deviation] = [vector[from + at], vector[from + width + at]];
          this._sum[to + at] += count * mean;
          this._squares[to + at] += count * (mean * mean + deviation * deviation);
        }
        from += 2 * width;
        to += width;
      }
    }
  }

  /** Return the scale's columns of the vector, level by level and statistic by statistic. */
  vector() {
    if (this._kind === "max") return this._maximum.slice();
    const mean = this._sum.map((sum) => sum / this.count);
    if (this._kind === "mean") return Float32Array.from(mean);
    const deviation = mean.map((each, at) => Math.sqrt(Math.max(this._squares[at] / this.count - each * each, 0)));
    let start = 0;
    const parts = this._widths.flatMap((width) => {
      const both = [mean, deviation].map((values) => Float32Array.from(values.subarray(start, start + width)));
      start += width;
      return both;
    });
    return joined(parts);
  }
}

/**
 * Return the first and the last of some moments that lie in a window; where none does, the latest before its end.
 *
 * @param {ArrayLike<number>} seconds ascending
 * @param {number} start
 * @param {number} end
 */
export function inWindow(seconds, start, end) {
  const first = countBefore(seconds, start);
  const last = countBefore(seconds, end);
  return { first: Math.min(first, Math.max(0, last - 1)), last: Math.max(1, last) };
}

/**
 * @param {ArrayLike<number>} seconds
 * @param {number} limit
 */
function countBefore(seconds, limit) {
  let low = 0;
  let high = seconds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seconds[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The latest segments of one scale, kept as long as a window needs them. */
export class SegmentBuffer {
  /** @param {Extractor} extractor */
  constructor(extractor) {
    this._extractor = extractor;
    /** @type {Float32Array[]} */
    this._levels = [];
    this._first = 0;
  }

  /** @param {Matrix} levels of the next segments */
  add(levels) {
    for (let segment = 0; segment < levels.rows; segment += 1) this._levels.push(levels.row(segment));
  }

  /** The middle of the latest segment; negative where there is none. */
  get latestSeconds() {
    const index = this._first + this._levels.length - 1;
    return index < 0 ? -1 : centreSeconds(this._extractor, index);
  }

  /**
   * @param {number} start
   * @param {number} end
   */
  vector(start, end) {
    const statistics = new Statistics(this._extractor);
    const { first, last } = inWindow(this._centres(), start, end);
    for (const row of this._levels.slice(first, last)) statistics.add(new Matrix(row, row.length));
    return statistics.vector();
  }

  /**
   * Drop what neither the window from `start` to `end` nor a later one needs.
   *
   * @param {number} start
   * @param {number} end
   */
  forget(start, end) {
    const { first } = inWindow(this._centres(), start, end);
    this._levels.splice(0, first);
    this._first += first;
  }

  _centres() {
    return this._levels.map((_, place) => centreSeconds(this._extractor, this._first + place));
  }
}

/** @typedef {{seconds: number[], vectors: Float32Array[]}} WindowVectors where windows start, and their vectors */

/** The windows of one sound, as soon as no later segment counts. */
export class Windows {
  /**
   * @param {Extractor[]} extractors
   * @param {number} windowSeconds
   * @param {number} hopSeconds
   */
  constructor(extractors, windowSeconds, hopSeconds) {
    this.windowSeconds = windowSeconds;
    this.hopSeconds = hopSeconds;
    this._scales = extractors.map((extractor) => new SegmentBuffer(extractor));
    this._next = 0;
  }

  /**
   * @param {number} scale
   * @param {Matrix} levels of its next segments
   */
  add(scale, levels) {
    this._scales[scale].add(levels);
  }

  /** Return the windows that no later segment can change. */
  ready() {
    const passed = Math.min(...this._scales.map((scale) => scale.latestSeconds));
    return this._emit((end) => end <= passed);
  }

  /**
   * Return the rest of the windows.
   *
   * @param {number} durationSeconds
   */
  finish(durationSeconds) {
    return this._emit((end) => this._next === 0 || end <= durationSeconds + SLACK_SECONDS);
  }

  /**
   * @param {(end: number) => boolean} wanted
   * @returns {WindowVectors}
   */
  _emit(wanted) {
    /** @type {WindowVectors} */
    const found = { seconds: [], vectors: [] };
    for (;;) {
      const start = this._next * this.hopSeconds;
      const end = start + this.windowSeconds;
      if (!wanted(end)) return found;
      found.seconds.push(start);
      found.vectors.push(joined(this._scales.map((scale) => scale.vector(start, end))));
      this._next += 1;
      const next = this._next * this.hopSeconds;
      for (const scale of this._scales) scale.forget(next, next + this.windowSeconds);
    }
  }
}

/** The levels of one scale on one sound, reduced to groups of about a second, from which any window is computed. */
class StoredScale {
  /** @param {Extractor} extractor */
  constructor(extractor) {
    this._extractor = extractor;
    const rows = GROUP_SECONDS / rowSeconds(extractor);
    this._size = Math.max(1, 1 + Math.floor((rows - extractor.segment_length) / extractor.segment_hop));
    this._open = new Statistics(extractor);
    this._segments = 0;
    /** @type {{vector: Float32Array, count: number}[]} */
    this._groups = [];
    /** @type {number[]} */
    this._seconds = [];
  }

  /** @param {Matrix} levels of the next segments */
  add(levels) {
    for (let segment = 0; segment < levels.rows; segment += 1) {
      this._open.add(levels.slice(segment, segment + 1));
      if (this._open.count === this._size) this._close();
    }
  }

  finish() {
    if (this._open.count) this._close();
  }

  /**
   * @param {number} start
   * @param {number} end
   */
  vector(start, end) {
    const statistics = new Statistics(this._extractor);
    const { first, last } = inWindow(this._seconds, start, end);
    for (const { vector, count } of this._groups.slice(first, last)) statistics.addVector(vector, count);
    return statistics.vector();
  }

  _close() {
    const { count } = this._open;
    this._groups.push({ vector: this._open.vector(), count });
    this._seconds.push(centreSeconds(this._extractor, this._segments + (count - 1) / 2));
    this._segments += count;
    this._open = new Statistics(this._extractor);
  }
}

/** The features of one sound, from which the vector of any stretch is computed: 20 MB an hour. */
export class Features {
  /** @param {Extractor[]} extractors */
  constructor(extractors) {
    this._scales = extractors.map((extractor) => new StoredScale(extractor));
    this.durationSeconds = 0;
  }

  /**
   * @param {number} scale
   * @param {Matrix} levels of its next segments
   */
  add(scale, levels) {
    this._scales[scale].add(levels);
  }

  /** @param {number} durationSeconds */
  finish(durationSeconds) {
    for (const scale of this._scales) scale.finish();
    this.durationSeconds = durationSeconds;
  }

  /**
   * Return the vector of the sound between two times in seconds.
   *
   * @param {number} start
   * @param {number} end
   */
  vector(start, end) {
    return joined(this._scales.map((scale) => scale.vector(start, end)));
  }

  /**
   * Return the vectors of windows.
   *
   * @param {number} windowSeconds
   * @param {number} hopSeconds
   * @returns {WindowVectors}
   */
  windows(windowSeconds, hopSeconds) {
    /** @type {WindowVectors} */
    const found = { seconds: [], vectors: [] };
    for (let index = 0; ; index += 1) {
      const start = index * hopSeconds;
      const end = start + windowSeconds;
      if (index && end > this.durationSeconds + SLACK_SECONDS) return found;
      found.seconds.push(start);
      found.vectors.push(this.vector(start, end));
    }
  }
}
