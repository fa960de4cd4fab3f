// The part of the microphone that runs in the browser's audio thread: it gathers samples and hands them on.

const SAMPLES = 4096;

class Listener extends AudioWorkletProcessor {
  constructor() {
    super();
    this._held = new Float32Array(SAMPLES);
    this._filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true;
    const { length } = channels[0];
    for (let at = 0; at < length; at += 1) {
      this._held[this._filled] = channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length;
      this._filled += 1;
      if (this._filled < SAMPLES) continue;
      this.port.postMessage(this._held, [this._held.buffer]);
      this._held = new Float32Array(SAMPLES);
      this._filled = 0;
    }
    return true;
  }
}

registerProcessor("listener", Listener);
