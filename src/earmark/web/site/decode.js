// Decoding a file in a worker, as a stream: mediabunny finds its packets, and the browser's codecs decode them.

import {
  ALL_FORMATS,
  AudioSampleSink,
  BlobSource,
  Input,
  UnsupportedInputFormatError,
} from "../mediabunny/mediabunny.js";

const FIRST_SECONDS = 2;
const BLOCK_SECONDS = 5;

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
    return { sampleRate, seconds, decoder: `WebCodecs ${codec}`, blocks: blocks(track, sampleRate) };
  } catch (error) {
    if (error instanceof UnsupportedInputFormatError) return null;
    throw error;
  }
}

/** Yield mono blocks of a track; the first is short, so that there are tags soon. */
async function* blocks(track, sampleRate) {
  let block = new Float32Array(FIRST_SECONDS * sampleRate);
  let filled = 0;
  for await (const sample of new AudioSampleSink(track).samples()) {
    // What an encoder has put before the sound lies before 0.
    const skipped = Math.min(sample.numberOfFrames, Math.max(0, Math.round(-sample.timestamp * sampleRate)));
    const mono = mixed(sample).subarray(skipped);
    sample.close();
    for (let at = 0; at < mono.length; ) {
      const part = mono.subarray(at, at + block.length - filled);
      block.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < block.length) continue;
      yield block;
      block = new Float32Array(BLOCK_SECONDS * sampleRate);
      filled = 0;
    }
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
