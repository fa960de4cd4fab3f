// Decoding a file in a worker, as a stream: mediabunny finds its packets, and the browser's codecs decode them.

import { ALL_FORMATS, AudioSampleSink, BlobSource, Input } from "../mediabunny/mediabunny.js";

const FIRST_SECONDS = 2;
const BLOCK_SECONDS = 5;
const WHOLE = { skipped: 0, samples: Number.POSITIVE_INFINITY };
/** What every MP3 decoder is late by, in samples. */
const DECODER_DELAY = 529;
const HEADER_BYTES = 4096;

/**
 * Return a file as a stream of mono blocks, or null if the browser has no codec for it that can stream.
 *
 * @param {Blob} file
 */
export async function decoded(file) {
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryAudioTrack();
    if (!track || !(await track.canDecode())) return null;
    const seconds = await track.getDurationFromMetadata();
    const [sampleRate, codec] = [await track.getSampleRate(), await track.getCodec()];
    const extent = codec === "mp3" ? await extentOfMp3(file, sampleRate) : WHOLE;
    const ending = { truncated: false };
    const stream = blocks(track, sampleRate, extent, ending);
    const first = await stream.next();
    return { sampleRate, seconds, decoder: `WebCodecs ${codec}`, ending, blocks: continued(first, stream) };
  } catch {
    // What mediabunny cannot read WebAudio may read; if not, the page tells WebAudio's reason.
    return null;
  }
}

/** Yield the first block of a stream, which was taken to see whether it can be decoded, and all others. */
async function* continued({ value, done }, stream) {
  if (done) return;
  yield value;
  yield* stream;
}

/** Yield mono blocks of a track's extent; the first is short, so that there are tags soon. */
async function* blocks(track, sampleRate, extent, ending) {
  let block = new Float32Array(FIRST_SECONDS * sampleRate);
  let filled = 0;
  let { skipped: toSkip, samples: left } = extent;
  let given = false;
  try {
    for await (const sample of new AudioSampleSink(track).samples()) {
      // What an encoder has put before the sound lies before 0.
      const before = Math.min(sample.numberOfFrames, Math.max(0, Math.round(-sample.timestamp * sampleRate)));
      const skipped = Math.min(sample.numberOfFrames - before, toSkip);
      toSkip -= skipped;
      const mono = mixed(sample).subarray(before + skipped, before + skipped + left);
      left -= mono.length;
      sample.close();
      for (let at = 0; at < mono.length; ) {
        const part = mono.subarray(at, at + block.length - filled);
        block.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < block.length) continue;
        given = true;
        yield block;
        block = new Float32Array(BLOCK_SECONDS * sampleRate);
        filled = 0;
      }
    }
  } catch (error) {
    if (!given && !filled) throw error;
    // The rest of an incomplete file cannot be decoded; the page says so.
    ending.truncated = true;
  }
  if (filled) yield block.subarray(0, filled);
}

/** Return the mean of a sample's channels. */
function mixed(sample) {
  const { numberOfChannels: channels, numberOfFrames: frames } = sample;
  const mono = new Float32Array(frames);
  const channel = new Float32Array(frames);
  for (let planeIndex = 0; planeIndex < channels; planeIndex += 1) {
    sample.copyTo(channel, { planeIndex, format: "f32-planar" });
    for (let at = 0; at < frames; at += 1) mono[at] += channel[at] / channels;
  }
  return mono;
}

/** Return the part of an MP3's samples that was encoded, as the header of its encoder tells it; browsers do not. */
async function extentOfMp3(file, sampleRate) {
  const start = new Uint8Array(await file.slice(0, 10).arrayBuffer());
  const isTagged = String.fromCharCode(...start.subarray(0, 3)) === "ID3";
  const first = isTagged ? 10 + start.subarray(6).reduce((size, byte) => size * 128 + byte, 0) : 0;
  const bytes = await file.slice(first, first + HEADER_BYTES).arrayBuffer();
  const text = String.fromCharCode(...new Uint8Array(bytes));
  const at = text.search(/Xing|Info/);
  // The number of frames, bytes, a table and a quality precede the encoder's own part.
  const own = at + 120;
  if (at < 0 || own + 24 > bytes.byteLength || !/^(LAME|Lav)/.test(text.slice(own))) return WHOLE;
  const view = new DataView(bytes);
  if (view.getUint32(at + 4) !== 15) return WHOLE;
  const delays = view.getUint32(own + 20) & 0xffffff;
  const [delay, padding] = [delays >> 12, delays & 0xfff];
  const samplesInFrame = sampleRate < 32_000 ? 576 : 1152;
  const samples = view.getUint32(at + 8) * samplesInFrame - delay - padding;
  return samples > 0 ? { skipped: delay + DECODER_DELAY, samples } : WHOLE;
}
