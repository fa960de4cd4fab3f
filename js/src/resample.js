// Resampling to the model's rate with windowed sinc filters, one for each phase between two samples.

/** The end of the pass band, of half the lower rate; beyond it libsoxr's high quality falls off as well. */
const PASS = 0.913;
/** Kaiser's window for a stop band of 90 dB. */
const BETA = 8.96;
const TAPS_AT_ONE = 11.4;
/** More phases than this would be a table of megabytes; the nearest phase is then taken. */
const MOST_PHASES = 1024;

/** A stream that changes the rate of mono samples; the sound keeps its start, and its length to a sample. */
export class Resampler {
  /**
   * @param {number} fromHz
   * @param {number} toHz
   */
  constructor(fromHz, toHz) {
    this._same = fromHz === toHz;
    const lower = Math.min(fromHz, toHz) / fromHz;
    const width = lower * (1 - PASS);
    this._reach = 2 * Math.ceil(TAPS_AT_ONE / width / 4);
    const divisor = greatestDivisor(fromHz, toHz);
    this._phases = Math.min(toHz / divisor, MOST_PHASES);
    this._step = fromHz / toHz;
    this._filters = Array.from({ length: this._phases }, (_, phase) =>
      this._filter(phase / this._phases, (lower * (1 + PASS)) / 2),
    );
    // Silence before the sound, so that the first output lies at its first sample.
    // float64, as the engine would otherwise convert every sample for every output.
    this._held = new Float64Array(this._reach - 1);
    this._taken = 0;
    this._given = 0;
    /** The number of the first sample that is held; those before the sound are negative. */
    this._first = 1 - this._reach;
  }

  /**
   * Take the next samples and return the resampled ones that they complete.
   *
   * @param {Float32Array} samples
   */
  push(samples) {
    if (this._same) return samples;
    this._taken += samples.length;
    return this._run(samples, Number.POSITIVE_INFINITY);
  }

  /** End the sound and return its last samples. */
  finish() {
    if (this._same) return new Float32Array(0);
    return this._run(new Float32Array(2 * this._reach), Math.round(this._taken / this._step));
  }

  /**
   * @param {Float32Array} samples
   * @param {number} most the number of the output sample at which to stop
   */
  _run(samples, most) {
    const held = new Float64Array(this._held.length + samples.length);
    held.set(this._held);
    held.set(samples, this._held.length);
    const length = 2 * this._reach;
    const end = this._first + held.length;
    const possible = Math.max(0, Math.floor((end - this._reach) / this._step) + 1 - this._given + 1);
    const out = new Float32Array(Math.min(possible, Math.max(0, most - this._given)));
    let count = 0;
    while (count < out.length) {
      const exact = (this._given + count) * this._step;
      let whole = Math.floor(exact + 1e-9);
      let phase = Math.round((exact - whole) * this._phases);
      if (phase === this._phases) {
        phase = 0;
        whole += 1;
      }
      const start = whole - this._reach + 1 - this._first;
      if (start + length > held.length) break;
      out[count] = product(held, start, this._filters[Math.max(0, phase)]);
      count += 1;
    }
    this._given += count;
    const needed = Math.floor(this._given * this._step + 1e-9) - this._reach + 1;
    const gone = Math.min(held.length, Math.max(0, needed - this._first));
    this._held = held.slice(gone);
    this._first += gone;
    return out.subarray(0, count);
  }

  /**
   * Return the filter for outputs that lie a fraction of a sample after a sample.
   *
   * @param {number} fraction
   * @param {number} cutoff of half the input's rate
   */
  _filter(fraction, cutoff) {
    const filter = new Float64Array(2 * this._reach);
    let total = 0;
    for (let tap = 0; tap < filter.length; tap += 1) {
      const distance = tap - this._reach + 1 - fraction;
      const edge = Math.min(1, Math.abs(distance) / this._reach);
      filter[tap] = sinc(cutoff * distance) * cutoff * (bessel(BETA * Math.sqrt(1 - edge * edge)) / bessel(BETA));
      total += filter[tap];
    }
    return filter.map((weight) => weight / total);
  }
}

/**
 * @param {Float64Array} samples
 * @param {number} start
 * @param {Float64Array} filter its length is a multiple of four
 */
function product(samples, start, filter) {
  let [first, second, third, fourth] = [0, 0, 0, 0];
  for (let tap = 0, at = start; tap < filter.length; tap += 4, at += 4) {
    first += samples[at] * filter[tap];
    second += samples[at + 1] * filter[tap + 1];
    third += samples[at + 2] * filter[tap + 2];
    fourth += samples[at + 3] * filter[tap + 3];
  }
  return first + second + (third + fourth);
}

/** @param {number} value */
function sinc(value) {
  return value === 0 ? 1 : Math.sin(Math.PI * value) / (Math.PI * value);
}

/**
 * Return the modified Bessel function of the first kind and order 0.
 *
 * @param {number} value
 */
function bessel(value) {
  let sum = 1;
  let term = 1;
  for (let order = 1; term > 1e-12 * sum; order += 1) {
    term *= (value / (2 * order)) ** 2;
    sum += term;
  }
  return sum;
}

/**
 * @param {number} one
 * @param {number} other
 * @returns {number}
 */
function greatestDivisor(one, other) {
  return other ? greatestDivisor(other, one % other) : one;
}
