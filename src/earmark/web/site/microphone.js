// The microphone, whose sound is tagged while it comes in.

import { element } from "../page/element.js";
import { icon } from "../page/icon.js";
import { Feed } from "./api.js";

const REFUSED = "The microphone cannot be used. Allow it for this page in the browser, then try again.";

export class Microphone {
  /** @param {import("./calls.js").Calls} calls */
  constructor(calls) {
    this._calls = calls;
    this._feed = null;
    this._begun = new Promise((resolve) => {
      this._begin = resolve;
    });
    this._context = null;
    this._text = element("span", {}, "Listen live");
    this.button = element(
      "button",
      { class: "button listen", type: "button", "aria-pressed": "false", on: { click: () => this._toggle() } },
      icon("record"),
      this._text,
    );
    this.button.hidden = !navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode;
  }

  /** Return the events of the live sound as soon as somebody wants to listen. */
  async response() {
    await this._begun;
    return this._feed.response();
  }

  async _toggle() {
    this.button.disabled = true;
    try {
      await (this._context ? this._stop() : this._start());
    } finally {
      this.button.disabled = false;
    }
    this.button.setAttribute("aria-pressed", String(this._context !== null));
    this._text.textContent = this._context ? "Stop listening" : "Listen live";
  }

  async _start() {
    this._feed ??= new Feed({ name: "notice", data: { detail: "Waiting for sound" } });
    this._begin();
    // What makes speech clear would change music.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      this._stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      this._feed.publish({ name: "notice", data: { detail: REFUSED } });
      return;
    }
    const context = new AudioContext();
    await context.audioWorklet.addModule(new URL("listener.js", import.meta.url));
    const node = new AudioWorkletNode(context, "listener");
    let begin = true;
    node.port.onmessage = async ({ data: samples }) => {
      const parts = { samples, sampleRate: context.sampleRate, begin };
      begin = false;
      const moment = await this._calls.call("live", parts, { transfer: [samples.buffer] });
      if (moment && this._context === context) this._feed.publish({ name: "tags", data: moment });
    };
    context.createMediaStreamSource(this._stream).connect(node);
    this._context = context;
  }

  async _stop() {
    for (const track of this._stream.getTracks()) track.stop();
    const context = this._context;
    this._context = null;
    await context.close();
    this._feed.publish({ name: "notice", data: { detail: "Stopped" } });
  }
}
