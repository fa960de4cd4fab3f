// A chart of the tags of two tracks: bars to the left and to the right of each tag's name.

import { element } from "./element.js";
import { percent } from "./number.js";
import { listed } from "./words.js";

const APART = 0.15;
const NAMED = 4;
const BOTH = 0.4;

/** Draw a row for each tag, [{label, group}]; names of tags with a large difference are bold. */
export function butterfly(left, right, tags) {
  const rows = [];
  let last = null;
  for (const { label, group } of tags) {
    if (group !== last) {
      const name = element("th", { scope: "colgroup", colspan: "3" }, group || "other");
      rows.push(element("tr", { class: "group-row" }, name));
    }
    last = group;
    const values = [left.probability(label), right.probability(label)];
    const apart = Math.abs(values[0] - values[1]) >= APART ? "apart" : null;
    rows.push(
      element(
        "tr",
        { class: apart },
        side("left", values[0]),
        element("th", { scope: "row" }, label),
        side("right", values[1]),
      ),
    );
  }
  const caption = `How likely each tag is in ${left.title} and in ${right.title}`;
  return element(
    "table",
    { class: "butterfly" },
    element("caption", { class: "unseen" }, caption),
    element("tbody", {}, ...rows),
  );
}

function side(name, probability) {
  const value = element("span", { class: "wing-value" }, percent(probability));
  const bar = element("span", { class: "wing-bar", style: { "--share": String(probability) }, "aria-hidden": "true" });
  return element("td", { class: `wing wing-${name}` }, element("span", { class: "wing-row" }, value, bar));
}

/** Return sentences, as nodes, about the differences and the similarities of two tracks. */
export function differences(left, right) {
  const more = (one, other) =>
    one.tags
      .map(({ label }) => ({ label, by: one.probability(label) - other.probability(label) }))
      .filter(({ by }) => by >= APART)
      .sort((a, b) => b.by - a.by)
      .slice(0, NAMED)
      .map(({ label }) => label);
  const both = left.tags
    .filter(({ label }) => Math.min(left.probability(label), right.probability(label)) >= BOTH)
    .slice(0, NAMED)
    .map(({ label }) => label);
  const sentences = [];
  for (const [side, labels] of [
    ["left", more(left, right)],
    ["right", more(right, left)],
  ]) {
    if (!labels.length) continue;
    const title = side === "left" ? left.title : right.title;
    sentences.push(
      element(
        "p",
        {},
        element("span", { class: `mark mark-${side}` }),
        element("strong", {}, title),
        ` has more ${listed(labels)}.`,
      ),
    );
  }
  if (both.length) sentences.push(element("p", { class: "soft" }, `Both have ${listed(both)}.`));
  if (!sentences.length) sentences.push(element("p", {}, "Their tags are much the same."));
  return sentences;
}
