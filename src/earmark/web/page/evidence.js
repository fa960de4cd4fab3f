// The evidence panel: why a track got a tag, when it is clearest, and which scales and levels decided.

import { element, unseen } from "./element.js";
import { icon } from "./icon.js";
import { addingUp, clock, clockEnd, percent, signed } from "./number.js";
import { stretches } from "./stretches.js";
import { course, decided, question, verdict } from "./words.js";

const STRETCHES = 5;

/** Shows the evidence of one tag; calls `play` with the stretch to play. */
export class Evidence {
  /**
   * @param {import("./track.js").Track} track
   * @param {import("./scales.js").Scales} scales
   * @param {(start: number, end: number) => void} play
   */
  constructor(track, scales, play) {
    this._track = track;
    this._scales = scales;
    this._play = play;
    this.root = element("div", { class: "evidence" });
  }

  show(label) {
    const evidence = this._track.evidence[label];
    const probability = this._track.probability(label);
    const sums = new Sums(evidence);
    const [before, after] = question(this._track, label);
    this.root.replaceChildren(
      element(
        "div",
        { class: "card-head" },
        element("h2", { tabindex: "-1" }, before, element("em", {}, label), after),
      ),
      element(
        "p",
        { class: "verdict" },
        element("strong", {}, verdict(this._track, label)),
        ` ${decided(evidence, this._scales)} ${course(this._track, label)}`,
      ),
      this._stretches(label, evidence),
      element("div", { class: "evidence-part" }, element("h3", {}, "Where it was decided"), this._matrix(label, sums)),
      element("div", { class: "evidence-part" }, element("h3", {}, "How it adds up"), this._sum(label, sums)),
      this._meaning(label, sums, probability),
    );
  }

  _stretches(label, evidence) {
    const all = stretches(evidence);
    const shown = all.slice(0, STRETCHES).sort((a, b) => a[0] - b[0]);
    const buttons = shown.map(([start, end]) =>
      element(
        "li",
        {},
        element(
          "button",
          { class: "chip", type: "button", on: { click: () => this._play(start, end) } },
          icon("play"),
          unseen(`Hear ${label} from `),
          `${clock(start)}–${clockEnd(end)}`,
        ),
      ),
    );
    const rest = all.length - shown.length;
    if (rest) buttons.push(element("li", { class: "hint" }, `and ${rest} more`));
    return element("ul", { class: "chips", "aria-label": `Where ${label} is strongest` }, ...buttons);
  }

  _matrix(label, sums) {
    const levels = sums.levels.map((level) => element("th", { scope: "col" }, unseen("Layer "), String(level)));
    const rows = sums.scales.map((scale) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, this._scales.name(scale)),
        ...sums.levels.map((level) => cell(sums.part(scale, level), sums.largest)),
        element("td", { class: "total" }, signed(sums.ofScale(scale))),
      ),
    );
    const bottom = element(
      "tr",
      { class: "totals" },
      element("th", { scope: "row" }, "Sum"),
      ...sums.levels.map((level) => element("td", { class: "total" }, signed(sums.ofLevel(level)))),
      element("td", { class: "total grand" }, signed(sums.all)),
    );
    return element(
      "table",
      { class: "matrix" },
      element("caption", { class: "unseen" }, `What each length of sound and each layer adds to ${label}, in points`),
      element(
        "thead",
        {},
        element(
          "tr",
          { class: "over", "aria-hidden": "true" },
          element("td", {}, "Layers"),
          element(
            "td",
            { colspan: String(sums.levels.length) },
            element(
              "span",
              { class: "layers" },
              element("span", {}, "plain sound"),
              element("span", {}, "whole impression"),
            ),
          ),
          element("td", {}),
        ),
        element(
          "tr",
          {},
          element("td", { "aria-hidden": "true" }, "Sounds"),
          ...levels,
          element("th", { scope: "col" }, "Sum"),
        ),
      ),
      element("tbody", {}, ...rows, bottom),
    );
  }

  _sum(label, sums) {
    let reached = sums.base;
    const steps = [{ name: "Average track", from: 0, to: sums.base, value: sums.base, kind: "start" }];
    for (const scale of sums.scales) {
      const value = sums.ofScale(scale);
      steps.push({
        name: this._scales.sounds(scale),
        from: reached,
        to: reached + value,
        value,
        kind: "step",
      });
      reached += value;
    }
    steps.push({ name: "This track", from: 0, to: sums.whole, value: sums.whole, kind: "end" });
    const ends = steps.flatMap(({ from, to }) => [from, to]);
    const low = Math.min(0, ...ends);
    const span = Math.max(0, ...ends) - low || 1;
    const place = (points) => String((points - low) / span);
    const rows = steps.map(({ name, from, to, value, kind }) =>
      element(
        "tr",
        { class: `sum-${kind}` },
        element("th", { scope: "row" }, name),
        element(
          "td",
          { class: "sum-plot", "aria-hidden": "true" },
          element("span", {
            class: `sum-bar ${value < 0 ? "against" : "for"}`,
            style: { "--from": place(Math.min(from, to)), "--to": place(Math.max(from, to)), "--zero": place(0) },
          }),
        ),
        element("td", { class: "sum-value" }, signed(value)),
      ),
    );
    return element(
      "table",
      { class: "sum", style: { "--zero": place(0) } },
      element("caption", { class: "unseen" }, `The points for ${label}, from those of an average track`),
      element("tbody", {}, ...rows),
    );
  }

  _meaning(label, sums, probability) {
    const score = this._track.prediction.scores[label];
    const corrected = this._track.prediction.calibrated
      ? ` Of the known tracks with this score, ${percent(probability)} have the tag (calibration).`
      : "";
    const { exact } = this._track.evidence[label];
    return element(
      "div",
      { class: "meaning" },
      element("p", {}, `${signed(sums.whole)} points are a score of ${percent(score)}.${corrected}`),
      element(
        "details",
        {},
        element("summary", {}, "What are points and layers?"),
        element(
          "p",
          {},
          "Points count for (+) or against (−) a tag: 0 is a score of 50%, +2 of 88%, −2 of 12% (log odds). earmark ",
          "cuts a track into short pieces of several lengths. Networks analyse each piece in layers: the first read ",
          "plain sound, later ones patterns, and the last give an impression of the whole. A number says how much one ",
          "layer of one length added, compared with an average track",
          exact ? "; together they are exact (Shapley values)." : " (Shapley values, estimated from random orders).",
        ),
      ),
    );
  }
}

/** Return the parts of a tag in hundredths, rounded so that the shown numbers add up. */
class Sums {
  constructor(evidence) {
    this.base = Math.round(evidence.base * 100);
    this.whole = Math.round(evidence.log_odds * 100);
    this.all = this.whole - this.base;
    const rounded = addingUp(
      evidence.parts.map((part) => part.contribution),
      this.all,
    );
    this._parts = evidence.parts.map((part, place) => ({ ...part, points: rounded[place] }));
    this.scales = [...new Set(evidence.parts.map((part) => part.extractor))];
    this.levels = [...new Set(evidence.parts.map((part) => part.level))].sort((a, b) => a - b);
    this.largest = Math.max(50, ...rounded.map(Math.abs));
  }

  /** Return the contribution of a level in hundredths, or null if a scale has no such level. */
  part(scale, level) {
    return this._parts.find((part) => part.extractor === scale && part.level === level)?.points ?? null;
  }

  ofScale(scale) {
    return this._total((part) => part.extractor === scale);
  }

  ofLevel(level) {
    return this._total((part) => part.level === level);
  }

  _total(wanted) {
    return this._parts.filter(wanted).reduce((sum, part) => sum + part.points, 0);
  }
}

function cell(points, largest) {
  if (points === null) return element("td", { class: "empty" }, unseen("none"));
  const share = Math.abs(points) / largest;
  return element(
    "td",
    { class: points < 0 ? "against" : "for", style: { "--share": share.toFixed(3) } },
    signed(points),
  );
}
