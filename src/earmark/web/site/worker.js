// The worker of the page without a server: it decodes and tags files, so that the page itself stays responsive.

import { fetchBundle, safetensorsOf } from "../earmark/bundle.js";
import { Live } from "../earmark/live.js";
import { Tagger } from "../earmark/tagger.js";
import { taughtBundle, teach } from "../earmark/teach.js";
import { zipSync } from "../fflate/fflate.js";
import * as onnxruntime from "../onnxruntime/ort.wasm.min.mjs";
import { decoded } from "./decode.js";
import { SoundCharacter, WaveformPeaks } from "./outline.js";

const OVER_TIME = { windowSeconds: 5, hopSeconds: 2.5 };
const TOLD_MILLISECONDS = 500;
const TOP_SO_FAR = 8;
const TOP_LIVE = 20;

onnxruntime.env.wasm.wasmPaths = new URL("../onnxruntime/", import.meta.url).href;
// Threads need memory that is shared, which browsers allow to isolated pages only.
onnxruntime.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(2, navigator.hardwareConcurrency ?? 1) : 1;

class SiteWorker {
  constructor() {
    this._tagger = fetchBundle(new URL("../model/", import.meta.url)).then((bundle) => Tagger.of(bundle, onnxruntime));
    /** The features of tracks, by identifier. */
    this._features = new Map();
    this._vectors = new Map();
    /** The taggers of taught words, each with the networks of the model. */
    this._words = Promise.resolve([]);
    this._closed = new Set();
    this._waiting = new Map();
    this._live = null;
    this._heard = Promise.resolve();
    this._lived = Promise.resolve();
  }

  /** Describe the model, as `/v1/models` does. */
  async model() {
    const { card } = (await this._tagger).bundle;
    return {
      name: card.name,
      labels: card.tags.map((tag) => ({ synonyms: [], parents: [], opposites: [], ...tag })),
      default: true,
      calibrated: card.calibration.length > 0,
      scales: card.extractors.map(({ name }) => name),
      scale_seconds: Object.fromEntries(
        card.extractors.map((each) => [
          each.name,
          (each.segment_length * (each.log_mel?.hop_samples ?? 1)) / each.rate_hz,
        ]),
      ),
      levels: Object.fromEntries(card.extractors.map(({ name, levels }) => [name, levels])),
      licence: card.licence,
      hashes: { head: card.head.hash },
    };
  }

  /** Tag a file, after those before it, and return what the page shows of it. */
  track(request, tell) {
    const turn = this._heard.then(() => this._track(request, tell));
    this._heard = turn.catch(() => {});
    return turn;
  }

  async _track({ track, file, version }, tell) {
    const tagger = await this._tagger;
    this._refuseClosed(track);
    const sound = (await decoded(file)) ?? (await this._decodedByPage(track, tell));
    const rateHz = tagger.bundle.rateHz;
    const [peaks, character] = [new WaveformPeaks(rateHz), new SoundCharacter(rateHz)];
    let told = Number.NEGATIVE_INFINITY;
    const onBlock = async (samples, seconds, soFar) => {
      peaks.add(samples);
      character.add(samples);
      if (performance.now() - told >= TOLD_MILLISECONDS) {
        const tags = (await soFar())?.top(TOP_SO_FAR) ?? [];
        const share = sound.seconds ? Math.min(1, seconds / sound.seconds) : null;
        tell("progress", { stage: "decoding", seconds, of: sound.seconds, share, tags });
        told = performance.now();
      }
      // Without a pause the worker would hear of nothing else before the end.
      await new Promise((resolve) => setTimeout(resolve));
      this._refuseClosed(track);
    };
    const prediction = await tagger.tag(sound, { overTime: OVER_TIME, keepFeatures: true, onBlock });
    const evidence = await tagger.explainer.explain(prediction.vector, prediction.features);
    this._features.set(track, prediction.features);
    this._vectors.set(track, prediction.vector);
    const record = prediction.toRecord(file.name, version, sound.decoder);
    record.truncated = sound.ending?.truncated ?? false;
    const heard = {
      name: file.name,
      prediction: { ...record, tags: prediction.tags, embedding: [...prediction.vector] },
      waveform: peaks.record(),
      sound: character.record(),
      evidence,
    };
    for (const word of await this._words) await addWord(heard, word, prediction);
    return heard;
  }

  /** Take the taught words that this browser keeps; tracks that are heard from now on have them too. */
  async words({ words }) {
    const { bundle } = await this._tagger;
    this._words = Promise.all(words.map(async (taught) => this._withWord(bundle, taught)));
    await this._words;
  }

  async _withWord(bundle, taught) {
    return (await this._tagger).withHead(await taughtBundle(bundle, taught, taught.word));
  }

  /** Learn a word from tracks, and return what was learned, with the word's probability for each track. */
  async teach({ word, yes, no }) {
    const tagger = await this._tagger;
    const tracks = [...yes, ...no];
    const has = tracks.map((_, place) => place < yes.length);
    const taught = await teach(
      tagger,
      word,
      tracks.map((track) => this._vectors.get(track)),
      has,
    );
    const own = await this._withWord(tagger.bundle, taught);
    const chances = {};
    for (const [track, vector] of this._vectors)
      chances[track] = (await own.predict(vector, { silent: false, durationSeconds: 0 })).probabilities[0];
    return { taught, chances };
  }

  /** Return a taught model as a ZIP file with the folder that the Python package loads. */
  async saved({ taught, name }) {
    const bundle = await taughtBundle((await this._tagger).bundle, taught, name);
    const card = new TextEncoder().encode(`${JSON.stringify(bundle.card, null, 2)}\n`);
    return zipSync({ [name]: { "card.json": card, "weights.safetensors": safetensorsOf(bundle.tensors) } });
  }

  /** Explain a stretch of a track, as `/v1/tracks/{id}/stretch` does. */
  async stretch({ track, start, end }) {
    const tagger = await this._tagger;
    const features = this._features.get(track);
    const last = Math.min(end, features.durationSeconds);
    const first = Math.min(start, last);
    return { start: first, end: last, tags: await tagger.explainer.explainStretch(features, first, last) };
  }

  /** Forget a track, and stop its analysis. */
  close({ track }) {
    this._closed.add(track);
    this._features.delete(track);
    this._vectors.delete(track);
    this._waiting.get(track)?.reject(new DOMException("closed", "AbortError"));
  }

  /** Take the sound that the page has decoded, or why it could not. */
  decoded({ track, sound, failure }) {
    const { resolve, reject } = this._waiting.get(track);
    this._waiting.delete(track);
    if (sound) resolve({ ...sound, seconds: sound.samples[0].length / sound.sampleRate, decoder: "WebAudio" });
    else reject(new Error(failure));
  }

  /** Take the next samples of the microphone and return its present tags, or null if there are no new ones. */
  live(parts) {
    const turn = this._lived.then(() => this._listen(parts));
    this._lived = turn.catch(() => {});
    return turn;
  }

  async _listen({ samples, sampleRate, begin }) {
    const tagger = await this._tagger;
    if (begin) this._live = new Live(tagger, sampleRate);
    const prediction = await this._live.push(samples);
    if (!prediction) return null;
    return {
      seconds: this._live.seconds,
      window_seconds: prediction.durationSeconds,
      skipped_seconds: 0,
      silent: prediction.withheld?.reason === "silence",
      withheld: prediction.withheld,
      tags: prediction.withheld?.reason === "silence" ? [] : prediction.top(TOP_LIVE),
    };
  }

  /** Let the page decode a file, because only it can where the browser has no WebCodecs. */
  _decodedByPage(track, tell) {
    return new Promise((resolve, reject) => {
      this._waiting.set(track, { resolve, reject });
      tell("decode", {});
    });
  }

  _refuseClosed(track) {
    if (this._closed.has(track)) throw new DOMException("closed", "AbortError");
  }
}

/** Add a taught word to what the page shows of a track. */
async function addWord(heard, word, { vector, features, durationSeconds }) {
  const { evidence, prediction } = heard;
  const own = await word.predict(vector, { silent: prediction.silent, durationSeconds });
  const [tag] = own.tags;
  if (tag.label in prediction.groups) return;
  Object.assign(evidence, await word.explainer.explain(vector, features));
  prediction.tags = [...prediction.tags, tag].sort((a, b) => b.probability - a.probability);
  prediction.groups[tag.label] = tag.group;
  for (const numbers of ["probabilities", "scores", "logits"]) prediction[numbers][tag.label] = own[numbers][0];
}

const worker = new SiteWorker();

self.addEventListener("message", async ({ data: { call, name, parts } }) => {
  const tell = (event, data) => self.postMessage({ call, event, data });
  try {
    self.postMessage({ call, event: "answer", data: await worker[name](parts, tell) });
  } catch (error) {
    self.postMessage({ call, event: "error", data: { name: error.name, message: error.message } });
  }
});
