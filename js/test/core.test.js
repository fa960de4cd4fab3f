import assert from "node:assert/strict";
import { test } from "node:test";
import { safetensorsOf, tensorsOf } from "../src/bundle.js";
import { EarmarkError } from "../src/error.js";
import { Spectrum } from "../src/fourier.js";
import { LogMel } from "../src/log-mel.js";
import { joined, Matrix } from "../src/matrix.js";
import { Probabilities } from "../src/probability.js";
import { planOf, Resampler } from "../src/resample.js";
import { Segments } from "../src/segments.js";

const SETTINGS = {
  rate_hz: 22050,
  window_samples: 1024,
  hop_samples: 512,
  mel_bands: 128,
  low_hz: 0,
  high_hz: 11025,
  compression: 10,
  level_seconds: 15,
};

/** Return a sine of a frequency, with some beginning. */
function sine(hz, rateHz, length) {
  return Float32Array.from({ length }, (_, at) => 0.5 * Math.sin((2 * Math.PI * hz * at) / rateHz));
}

/** Push an array in parts of changing sizes. */
function inParts(values, push) {
  const found = [];
  for (let at = 0, size = 1; at < values.length; at += size, size = (size * 7 + 3) % 5000)
    found.push(push(values.subarray(at, at + size)));
  return found;
}

test("the spectrum is that of the definition", () => {
  const samples = Float32Array.from({ length: 16 }, (_, at) => Math.sin(at * at));
  const window = Float64Array.from({ length: 16 }, (_, at) => 1 + at / 16);
  const found = new Float32Array(9);
  new Spectrum(16).magnitudes(samples, 0, window, found);
  found.forEach((magnitude, bin) => {
    let [real, imaginary] = [0, 0];
    samples.forEach((sample, at) => {
      real += sample * window[at] * Math.cos((2 * Math.PI * bin * at) / 16);
      imaginary += sample * window[at] * Math.sin((2 * Math.PI * bin * at) / 16);
    });
    assert.ok(Math.abs(magnitude - Math.hypot(real, imaginary)) < 1e-5);
  });
  assert.throws(() => new Spectrum(1200), EarmarkError);
});

test("frames do not depend on how the sound is cut, and are one more than its hops", () => {
  const sound = sine(440, 22050, 30_000);
  const whole = new LogMel(SETTINGS);
  const expected = joined([whole.push(sound).data, whole.finish().data]);
  assert.equal(expected.length, (1 + Math.floor(30_000 / 512)) * 128);
  const cut = new LogMel(SETTINGS);
  const found = inParts(sound, (part) => cut.push(part).data);
  assert.deepEqual(joined([...found, cut.finish().data]), expected);
});

test("frames also stand where the hop is longer than the window", () => {
  const settings = { ...SETTINGS, window_samples: 1024, hop_samples: 3000 };
  const cut = new LogMel(settings);
  const sound = sine(440, 22050, 30_000);
  const found = inParts(sound, (part) => cut.push(part).data);
  const whole = new LogMel(settings);
  assert.deepEqual(joined([...found, cut.finish().data]), joined([whole.push(sound).data, whole.finish().data]));
});

/** Return a resampler without a runtime. */
function resampler(fromHz, toHz) {
  const plan = planOf(fromHz, toHz);
  const multiply = (rows) => {
    const product = Matrix.zeros(rows.rows, plan.outputs);
    for (let row = 0; row < rows.rows; row += 1)
      for (let tap = 0; tap < rows.columns; tap += 1)
        for (let output = 0; output < plan.outputs; output += 1)
          product.row(row)[output] += rows.row(row)[tap] * plan.filters.row(tap)[output];
    return product;
  };
  return new Resampler(plan, multiply);
}

// The ratio of the last rate is taken as one of small whole numbers, so that the tone drifts a little.
for (const [fromHz, tolerance] of [
  [44_100, 3e-4],
  [48_000, 3e-4],
  [16_000, 3e-4],
  [44_056, 5e-3],
])
  test(`a tone keeps its place and its length from ${fromHz} Hz`, async () => {
    const stream = resampler(fromHz, 22_050);
    const parts = await Promise.all(inParts(sine(1000, fromHz, fromHz), (part) => stream.push(part)));
    const found = joined([...parts, await stream.finish()]);
    assert.equal(found.length, 22_050);
    const expected = sine(1000, 22_050, 22_050);
    for (let at = 1000; at < 21_000; at += 1) assert.ok(Math.abs(found[at] - expected[at]) < tolerance);
  });

test("one sample stays one sample", async () => {
  const stream = resampler(48_000, 22_050);
  const parts = [await stream.push(Float32Array.of(0.5)), await stream.finish()];
  assert.equal(joined(parts).length, 1);
});

test("what lies above half the model's rate is gone", async () => {
  const found = (await resampler(44_100, 22_050).push(sine(12_000, 44_100, 44_100))).subarray(500, 20_000);
  assert.ok(Math.max(...found.map(Math.abs)) < 1e-4);
});

test("segments overlap, leave rows out, and repeat a short sound", () => {
  const extractor = (length, hop) => ({ segment_length: length, segment_hop: hop, log_mel: { mel_bands: 1 } });
  const rows = new Matrix(
    Float32Array.from({ length: 10 }, (_, at) => at),
    1,
  );
  const starts = (length, hop) => {
    const segments = new Segments(extractor(length, hop));
    const found = inParts(rows.data, (part) => segments.push(new Matrix(part, 1)));
    return [...found, segments.finish()].flatMap((each) =>
      Array.from({ length: each.rows }, (_, at) => each.row(at)[0]),
    );
  };
  assert.deepEqual(starts(4, 4), [0, 4]);
  assert.deepEqual(starts(4, 2), [0, 2, 4, 6]);
  assert.deepEqual(starts(2, 5), [0, 5]);
  const short = new Segments(extractor(12, 12));
  short.push(rows);
  assert.deepEqual([...short.finish().row(0)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  assert.ok(short.short);
});

test("tensors are read as they were written, and damage is told", () => {
  const tensors = new Map([["b", { shape: [1, 2], values: Float32Array.of(0.5, -3e9) }]]);
  const file = safetensorsOf(tensors);
  assert.deepEqual(tensorsOf(file.buffer), tensors);
  assert.throws(() => tensorsOf(file.buffer.slice(0, file.length - 1)), EarmarkError);
  assert.throws(() => tensorsOf(new ArrayBuffer(3)), EarmarkError);
});

test("a child is not above its parent, and opposites are not above 1 together", () => {
  const tags = [
    { label: "vocals", group: "voices" },
    { label: "opera", group: "genres", parents: ["vocals"] },
    { label: "instrumental", group: "voices", opposites: ["vocals"] },
  ];
  const card = { tags, calibration: [], activation: "sigmoid" };
  const [vocals, opera, instrumental] = new Probabilities(card).of([0, 2, 3]);
  assert.ok(opera <= vocals + 1e-7 && vocals + instrumental <= 1 + 1e-7);
  assert.deepEqual(new Probabilities(card).odds([3, 1, -4]), [3, 1, -4]);
});
