// Cutting a stream of rows into the segments of one scale.

import { Matrix } from "./matrix.js";

/** @typedef {import("./bundle.js").Extractor} Extractor */

/**
 * Return the number of values in an input row of an extractor: the mel bands, or 1 for raw samples.
 *
 * @param {Extractor} extractor
 */
export function inputColumns(extractor) {
  return extractor.log_mel ? extractor.log_mel.mel_bands : 1;
}

/**
 * Return the time from one input row to the next.
 *
 * @param {Extractor} extractor
 */
export function rowSeconds(extractor) {
  return (extractor.log_mel ? extractor.log_mel.hop_samples : 1) / extractor.rate_hz;
}

/**
 * Return the middle of a segment in seconds.
 *
 * @param {Extractor} extractor
 * @param {number} index of the segment, from 0
 */
export function centreSeconds(extractor, index) {
  return (index * extractor.segment_hop + (extractor.segment_length - 1) / 2) * rowSeconds(extractor);
}

/** A stream from the rows of one sound to the segments of one scale; the rest after the last segment is dropped. */
export class Segments {
  /** @param {Extractor} extractor */
  constructor(extractor) {
    this._length = extractor.segment_length;
    this._hop = extractor.segment_hop;
    this._columns = inputColumns(extractor);
    this._held = new Matrix(new Float32Array(0), this._columns);
    this._skip = 0;
    this._any = false;
    /** Whether the sound never filled one segment; known after `finish`. */
    this.short = false;
  }

  /**
   * Take the next rows and return the segments that they complete, one a row.
   *
   * @param {Matrix} rows
   */
  push(rows) {
    const skipped = Math.min(this._skip, rows.rows);
    this._skip -= skipped;
    const data = new Float32Array(this._held.data.length + (rows.rows - skipped) * this._columns);
    data.set(this._held.data);
    data.set(rows.slice(skipped, rows.rows).data, this._held.data.length);
    const all = new Matrix(data, this._columns);
    const count = all.rows < this._length ? 0 : 1 + Math.floor((all.rows - this._length) / this._hop);
    const segments = Matrix.zeros(count, this._length * this._columns);
    for (let segment = 0; segment < count; segment += 1) {
      const first = segment * this._hop;
      segments.row(segment).set(all.slice(first, first + this._length).data);
    }
    const next = count * this._hop;
    this._skip += Math.max(0, next - all.rows);
    this._held = new Matrix(all.slice(Math.min(next, all.rows), all.rows).data.slice(), this._columns);
    this._any ||= count > 0;
    return segments;
  }

  /** End the sound; return the one segment of a sound that is shorter than it, its rows repeated. */
  finish() {
    this.short = !this._any;
    const segments = Matrix.zeros(this.short ? 1 : 0, this._length * this._columns);
    for (let place = 0; place < segments.data.length; place += 1)
      segments.data[place] = this._held.data[place % this._held.data.length];
    return segments;
  }
}
