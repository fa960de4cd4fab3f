// How loud a sound is, and whether it is silent.

const SILENT_BELOW = 1e-3;
const PART_SECONDS = 0.1;

/** The loudest tenth of a second of a sound. */
export class Loudest {
  /** @param {number} rateHz */
  constructor(rateHz) {
    this._length = Math.max(1, Math.round(PART_SECONDS * rateHz));
    this._sum = 0;
    this._filled = 0;
    this._power = 0;
  }

  /** @param {Float32Array} samples the next ones */
  add(samples) {
    for (let at = 0; at < samples.length; at += 1) {
      this._sum += samples[at] * samples[at];
      this._filled += 1;
      if (this._filled === this._length) {
        this._power = Math.max(this._power, this._sum / this._length);
        this._sum = 0;
        this._filled = 0;
      }
    }
  }

  /** Whether the sound is silent so far. */
  get silent() {
    const rest = this._filled ? this._sum / this._filled : 0;
    return Math.sqrt(Math.max(this._power, rest)) < SILENT_BELOW;
  }
}

/** Whether the last seconds of a sound are silent. */
export class Loudness {
  /**
   * @param {number} rateHz
   * @param {number} windowSeconds
   */
  constructor(rateHz, windowSeconds) {
    this._rateHz = rateHz;
    this._window = Math.round(windowSeconds * rateHz);
    /** @type {{length: number, silent: boolean}[]} */
    this._pieces = [];
    this._samples = 0;
  }

  /** @param {Float32Array} samples the next ones */
  add(samples) {
    const loudest = new Loudest(this._rateHz);
    loudest.add(samples);
    this._pieces.push({ length: samples.length, silent: loudest.silent });
    this._samples += samples.length;
    while (this._samples - this._pieces[0].length >= this._window) this._samples -= this._pieces.shift()?.length ?? 0;
  }

  get silent() {
    return this._pieces.every(({ silent }) => silent);
  }
}
