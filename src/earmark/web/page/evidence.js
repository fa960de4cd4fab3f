// The evidence panel: why a track got a tag, when it is clearest, and which scales and levels decided.

import { element, unseen } from "./element.js";
import { icon } from "./icon.js";
import { addingUp, clock, clockEnd, percent, signed } from "./number.js";
import { problemCard, problemOf } from "./problem.js";
import { stretches } from "./stretches.js";
import { course, plainly, sounds, soundWords, verdict, verdictOf } from "./words.js";

const STRETCHES = 5;
const HAS = 0.5;

/** Shows the evidence of one tag, in the whole track or in a stretch of it. */
export class Evidence {
  /**
   * @param {import("./track.js").Track} track
   * @param {import("./scales.js").Scales} scales
   * @param {{play: (start: number, end: number) => void, hear: (slot: number) => void, whole: () => void}} wishes
   * @param {import("./lessons.js").Lessons|null} lessons for a track of the library, whose tags can be told to be wrong
   */
  constructor(track, scales, wishes, lessons) {
    this._track = track;
    this._scales = scales;
    this._wishes = wishes;
    this._lessons = lessons;
    this._isOpen = false;
    this._asked = 0;
    this._width = 0;
    this.root = element("div", { class: "evidence" });
  }

  /**
   * @param {string} label
   * @param {{start: number, end: number}|null} stretch
   */
  async show(label, stretch) {
    this._asked += 1;
    if (stretch === null) {
      const evidence = this._track.evidence[label];
      this._showAll(label, null, { ...evidence, probability: this._track.probability(label) });
      return;
    }
    const asked = this._asked;
    let evidence;
    try {
      evidence = (await this._track.stretch(stretch))[label];
    } catch (error) {
      if (asked === this._asked) this._replace(this._head(label, stretch), problemCard(problemOf(error)));
      return;
    }
    if (asked === this._asked) this._showAll(label, stretch, evidence);
  }

  _showAll(label, stretch, evidence) {
    const sums = new Sums(evidence);
    const clearest = this._track.slots.start(this._track.clearest(label));
    const told = {
      sounds: soundWords(this._track, stretch),
      when: stretch === null && sounds(this._track, label) ? `, clearest at ${clock(clearest)}` : "",
    };
    const how = element(
      "details",
      { class: "how", open: this._isOpen },
      element("summary", {}, "Levels and scales"),
      element("div", { class: "evidence-part" }, element("h3", {}, "Where it was decided"), this._matrix(label, sums)),
      element("div", { class: "evidence-part" }, element("h3", {}, "How it adds up"), this._sum(label, sums, stretch)),
      this._meaning(sums, stretch, evidence),
    );
    how.addEventListener("toggle", () => {
      this._isOpen = how.open;
      this.root.style.minHeight = "";
    });
    const sure =
      stretch === null
        ? `${verdict(this._track, label)} ${course(this._track, label)}`
        : verdictOf(this._track, label, evidence.probability);
    const wrong = this._wrong(label);
    this._replace(
      this._head(label, stretch),
      element(
        "p",
        { class: "verdict" },
        element("strong", { class: "plainly" }, plainly(label, evidence, this._scales, told)),
        ` ${sure}`,
      ),
      stretch === null ? this._stretches(label) : this._ofStretch(label, stretch),
      how,
      ...(wrong ? [wrong] : []),
    );
  }

  /** Show something else. The panel gets no lower, so that what was clicked and what is below stay where they are. */
  _replace(...children) {
    const { offsetWidth: width, offsetHeight: height } = this.root;
    this.root.style.minHeight = width === this._width ? `${height}px` : "";
    this._width = width;
    this.root.replaceChildren(...children);
  }

  /** Return the button that tells that a tag is wrong, which is a thumb for teaching it. */
  _wrong(label) {
    const number = this._track.number;
    if (this._lessons === null || number === null) return null;
    const has = this._track.probability(label) < HAS;
    const given = this._lessons.thumb(label, number) === has;
    const give = () => {
      this._lessons.give(label, number, has);
      const again = this._wrong(label);
      place.replaceWith(again);
      again.querySelector("button").focus();
    };
    const place = element(
      "p",
      { class: "wrong-place" },
      element(
        "button",
        { class: "chip", type: "button", "aria-pressed": String(given), on: { click: give } },
        given ? "Noted as wrong" : has ? "Wrong: it has this tag" : "Wrong: it has no such tag",
      ),
      given
        ? element(
            "a",
            { href: `#/teach?${new URLSearchParams({ word: label })}` },
            `Teach ${label} from your corrections`,
          )
        : null,
    );
    return place;
  }

  _head(label, stretch) {
    const when = stretch === null ? "" : `, ${times(stretch)}`;
    return element(
      "div",
      { class: "card-head" },
      element("h2", { tabindex: "-1" }, "Why ", element("em", {}, label), when),
      stretch === null
        ? null
        : element("button", { class: "quiet", type: "button", on: { click: this._wishes.whole } }, "Whole track"),
    );
  }

  /** Return the buttons that play the stretch that is explained, and go to the tag's clearest moment. */
  _ofStretch(label, { start, end }) {
    const slot = this._track.clearest(label);
    const clearest = this._track.slots.start(slot);
    return element(
      "ul",
      { class: "chips", "aria-label": `Hear ${label}` },
      this._chip(`Hear ${label} from `, times({ start, end }), () => this._wishes.play(start, end)),
      sounds(this._track, label)
        ? this._chip("", `clearest at ${clock(clearest)}`, () => this._wishes.hear(slot))
        : null,
    );
  }

  _stretches(label) {
    const all = stretches(this._track.evidence[label]);
    const shown = all.slice(0, STRETCHES).sort((a, b) => a[0] - b[0]);
    const buttons = shown.map(([start, end]) =>
      this._chip(`Hear ${label} from `, `${clock(start)}–${clockEnd(end)}`, () => this._wishes.play(start, end)),
    );
    const rest = all.length - shown.length;
    if (rest) buttons.push(element("li", { class: "hint" }, `and ${rest} more`));
    return element("ul", { class: "chips", "aria-label": `Where ${label} is strongest` }, ...buttons);
  }

  _chip(before, text, act) {
    const button = element("button", { class: "chip", type: "button", on: { click: act } }, icon("play"));
    button.append(unseen(before), text);
    return element("li", {}, button);
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

  _sum(label, sums, stretch) {
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
    steps.push({
      name: stretch ? times(stretch) : "This track",
      from: 0,
      to: sums.whole,
      value: sums.whole,
      kind: "end",
    });
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

  _meaning(sums, stretch, { probability, exact }) {
    const score = 1 / (1 + Math.exp(-sums.whole / 100));
    const tracks = stretch === null ? "the known tracks" : "known tracks that sound like this throughout";
    const corrected = this._track.prediction.calibrated
      ? ` Of ${tracks}, ${percent(probability)} of those with this score have the tag (calibration).`
      : "";
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

/** Return the times of a stretch, as in "0:20–0:25". */
function times({ start, end }) {
  return `${clock(start)}–${clockEnd(end)}`;
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
