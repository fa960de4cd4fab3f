// Results in words.

import { percent } from "./number.js";

const SURE = 0.5;
const PERHAPS = 0.28;
const IN_PARTS = 0.65;
const IN_SUMMARY = 4;
const PERHAPS_IN_SUMMARY = 2;
/* The share of all contributions above which one scale or one depth is named. */
const MOST = 0.46;
const LITTLE = 0.35;
const SAME_ALL_THROUGH = 0.12;
/* Choice: the brightness and the attacks that are named are those of about one in six tracks at either end. */
const BRIGHT_HZ = 2050;
const DARK_HZ = 850;
const STRUCK_DECIBELS = 8.5;
const HELD_DECIBELS = 3.5;

/** Return whether only parts of a track have a tag. */
export function inParts(track, label) {
  return track.probability(label) < SURE && track.peak(label) >= IN_PARTS;
}

/** Return how certain a tag is in the whole track, in words. */
export function verdict(track, label) {
  const whole = track.probability(label);
  if (!inParts(track, label)) return `${sureness(whole)}: ${percent(whole)}.`;
  const peak = track.peak(label);
  return `${sureness(peak)} in parts: up to ${percent(peak)}; ${percent(whole)} for the whole track.`;
}

/** Return whether a tag perhaps sounds somewhere in a track. */
export function sounds(track, label) {
  return track.peak(label) >= PERHAPS;
}

/** Return how certain a tag is in a stretch, in words, beside the whole track. */
export function verdictOf(track, label, probability) {
  return `${sureness(probability)} here: ${percent(probability)}; ${percent(track.probability(label))} for the whole track.`;
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

const DEPTHS = ["by their plain timbre", "by short patterns in them", "by the impression as a whole"];

/** Return the third of the network in which a level lies: 0 early, 1 middle, 2 late. */
export function depth(level, levels) {
  if (levels === 1) return 0;
  const at = (level - 1) / (levels - 1);
  return at < 1 / 3 ? 0 : at <= 2 / 3 ? 1 : 2;
}

/**
 * Return the plain sentence about a tag: what speaks for it or against it, and when it is clearest.
 *
 * @param {string} label
 * @param {{log_odds: number, base: number, parts: object[]}} evidence of the tag, in the track or in a stretch
 * @param {import("./scales.js").Scales} scales
 * @param {{sounds: string, when: string}} told what the sound is like there, such as "bright ", and the time
 */
export function plainly(label, evidence, scales, { sounds, when }) {
  const name = `${label[0].toUpperCase()}${label.slice(1)}`;
  const net = evidence.log_odds - evidence.base;
  if (Math.abs(net) < LITTLE) return `${name}: the sound says little for or against it${when}.`;
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
  const decided = `${sounds}sounds ${length === null ? "of every length" : scales.plain(length)}`;
  const how = layer === null ? "" : `, ${DEPTHS[layer]}`;
  return net > 0 ? `${name}: ${decided}${how}${when}.` : `${name}: ${decided} speak against it.`;
}

/** Return whether the sound of a track, or of a stretch of it, is bright, dark, struck or held, as in "bright ". */
export function soundWords({ sound }, stretch = null) {
  if (!sound) return "";
  const inside = (_, place) => {
    const second = (place + 0.5) * sound.hop_seconds;
    return stretch === null || (second >= stretch.start && second <= stretch.end);
  };
  const mean = (values) => {
    const kept = values.filter(inside).filter((value) => value !== null);
    return kept.length ? kept.reduce((sum, value) => sum + value, 0) / kept.length : null;
  };
  const [brightness, attack] = [mean(sound.brightness_hz), mean(sound.attack_decibels)];
  const words = [];
  if (brightness !== null && brightness >= BRIGHT_HZ) words.push("bright");
  if (brightness !== null && brightness <= DARK_HZ) words.push("dark");
  if (attack !== null && attack >= STRUCK_DECIBELS) words.push("plucked or struck");
  if (attack !== null && attack <= HELD_DECIBELS) words.push("held");
  return words.length ? `${words.join(" ")} ` : "";
}

/** Return the kind of part with most of the contributions, or null if there is none. */
function most(parts, kindOf) {
  const sums = new Map();
  for (const part of parts) sums.set(kindOf(part), (sums.get(kindOf(part)) ?? 0) + part.contribution);
  const total = [...sums.values()].reduce((sum, share) => sum + share, 0);
  const [kind, share] = [...sums].reduce((best, pair) => (pair[1] > best[1] ? pair : best));
  return share / total >= MOST && sums.size > 1 ? kind : null;
}

/** Return a sentence about a tag in the windows of a track. */
export function course(track, label) {
  const { curve, window_seconds: window } = track.evidence[label];
  const low = curve.reduce((least, value) => Math.min(least, value), 1);
  const high = curve.reduce((most, value) => Math.max(most, value), 0);
  const range = `${percent(low)} to ${percent(high)}`;
  const windows = `in windows of ${Math.round(window)} seconds`;
  if (high - low < SAME_ALL_THROUGH) return `It hardly changes over the track (${range} ${windows}).`;
  return `Over the track it varies from ${range} ${windows}.`;
}
