// Slots of time for tags over time: each window is shown as the hop around its middle.

export class Slots {
  /** @param {object} evidence of any tag: all of a track have the same windows */
  constructor(evidence, duration) {
    this.duration = duration;
    this.count = evidence.seconds.length;
    this._hop = evidence.hop_seconds;
    this._middle = Math.min(evidence.window_seconds, duration) / 2;
  }

  /** Return the start of a slot in seconds; the first slot starts at 0. */
  start(index) {
    return index <= 0 ? 0 : Math.min(this.duration, this._middle + (index - 0.5) * this._hop);
  }

  end(index) {
    return index >= this.count - 1 ? this.duration : this.start(index + 1);
  }

  /** Return the slot of a second. */
  at(seconds) {
    const index = Math.floor((seconds - this._middle) / this._hop + 0.5 + 1e-6);
    return Math.min(this.count - 1, Math.max(0, index));
  }
}
