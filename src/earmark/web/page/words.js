// Results in words.

import { clock, clockEnd, percent } from "./number.js";
import { stretches } from "./stretches.js";

const SURE = 0.5;
const PERHAPS = 0.28;
const IN_PARTS = 0.65;
const IN_SUMMARY = 4;
const PERHAPS_IN_SUMMARY = 2;
/* The share of all contributions above which one scale or one depth is named. */
const MOST = 0.46;
const LITTLE = 0.35;
const SAME_ALL_THROUGH = 0.12;

/** Return whether only parts of a track have a tag. */
export function inParts(track, label) {
  return track.probability(label) < SURE && track.peak(label) >= IN_PARTS;
}

/** Return the question about a tag: the text before its name and after it. */
export function question(track, label) {
  if (inParts(track, label)) return ["Why ", " in parts"];
  const probability = track.probability(label);
  return [probability >= SURE ? "Why " : probability >= PERHAPS ? "Why perhaps " : "Why not ", ""];
}

/** Return how certain a tag is, in words. */
export function verdict(track, label) {
  const whole = track.probability(label);
  if (!inParts(track, label)) return `${sureness(whole)}: ${percent(whole)}.`;
  const peak = track.peak(label);
  return `${sureness(peak)} in parts: up to ${percent(peak)}; ${percent(whole)} for the whole track.`;
}

function sureness(probability) {
  if (probability >= 0.9) return "Almost certain";
  if (probability >= 0.7) return "Very likely";
  if (probability >= SURE) return "More likely than not";
  if (probability >= PERHAPS) return "Perhaps";
  if (probability >= 0.1) return "Unlikely";
  return "Very unlikely";
}

/** Return the labels of the main tags: those of the whole track, of parts of it, and uncertain ones. */
export function summary(track) {
  const less = track.tags.filter((tag) => tag.probability < SURE);
  const parts = less
    .filter(({ label }) => inParts(track, label))
    .sort((a, b) => track.peak(b.label) - track.peak(a.label));
  const perhaps = less.filter((tag) => tag.probability >= PERHAPS && !parts.includes(tag));
  const labels = (tags, count) => tags.slice(0, count).map(({ label }) => label);
  return {
    sure: labels(
      track.tags.filter((tag) => tag.probability >= SURE),
      IN_SUMMARY,
    ),
    parts: labels(parts, IN_SUMMARY),
    perhaps: labels(perhaps, PERHAPS_IN_SUMMARY),
  };
}

/** Return the main tags as a sentence, in pieces of which some are strong. */
export function summarySentence(track) {
  const { sure, parts, perhaps } = summary(track);
  const pieces = [];
  if (sure.length) pieces.push({ text: "Sounds like " }, ...strongList(sure));
  if (parts.length) pieces.push({ text: sure.length ? "; in parts " : "In parts " }, ...strongList(parts));
  if (perhaps.length)
    pieces.push({ text: `${pieces.length ? "; perhaps" : "Nothing is sure; perhaps"} ${listed(perhaps)}`, soft: true });
  return pieces.length ? [...pieces, { text: "." }] : [{ text: "No tag that earmark knows stands out." }];
}

function strongList(labels) {
  return labels.flatMap((label, place) => {
    const joint = place === 0 ? "" : place === labels.length - 1 ? " and " : ", ";
    return [{ text: joint }, { text: label, strong: true }];
  });
}

/** Join words as in "a, b and c". */
export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

const DEPTHS = [
  "the early layers: timbre, the plain colour of the sound",
  "the middle layers: short patterns in it",
  "the late layers: the impression as a whole",
];

/** Return the third of the network in which a level lies: 0 early, 1 middle, 2 late. */
export function depth(level, levels) {
  if (levels === 1) return 0;
  const at = (level - 1) / (levels - 1);
  return at < 1 / 3 ? 0 : at <= 2 / 3 ? 1 : 2;
}

/** Return a sentence about the scales and levels that decided on a tag. */
export function decided(evidence, scales) {
  const net = evidence.log_odds - evidence.base;
  if (Math.abs(net) < LITTLE) return "The sound gives little evidence either way: it is close to an average track.";
  const levels = new Map();
  for (const { extractor, level } of evidence.parts) {
    levels.set(extractor, Math.max(level, levels.get(extractor) ?? 0));
  }
  const along = evidence.parts.map((part) => ({
    ...part,
    contribution: Math.max(0, part.contribution * Math.sign(net)),
  }));
  const length = most(along, (part) => part.extractor);
  const layer = most(along, (part) => depth(part.level, levels.get(part.extractor)));
  const what = net > 0 ? "What speaks for it" : "What speaks against it";
  if (length === null && layer === null) return `${what} is spread over sounds of every length and all layers.`;
  if (length === null) return `${what} comes from sounds of every length, mostly in ${DEPTHS[layer]}.`;
  if (layer === null) return `${what} comes mostly from ${scales.words(length)}, in all layers.`;
  return `${what} comes mostly from ${scales.words(length)}, in ${DEPTHS[layer]}.`;
}

/** Return the kind of part with most of the contributions, or null if there is none. */
function most(parts, kindOf) {
  const sums = new Map();
  for (const part of parts) sums.set(kindOf(part), (sums.get(kindOf(part)) ?? 0) + part.contribution);
  const total = [...sums.values()].reduce((sum, share) => sum + share, 0);
  const [kind, share] = [...sums].reduce((best, pair) => (pair[1] > best[1] ? pair : best));
  return share / total >= MOST && sums.size > 1 ? kind : null;
}

/** Return a sentence about a tag over the track. */
export function course(track, label) {
  const evidence = track.evidence[label];
  const low = Math.min(...evidence.curve);
  const high = Math.max(...evidence.curve);
  const range = `${percent(low)} to ${percent(high)}`;
  if (high - low < SAME_ALL_THROUGH) return `It hardly changes over the track (${range}).`;
  const [[start, end]] = stretches(evidence);
  const clearest = `is clearest from ${clock(start)} to ${clockEnd(end)}.`;
  return inParts(track, label) ? `It ${clearest}` : `Over the track it varies from ${range}, and it ${clearest}`;
}
