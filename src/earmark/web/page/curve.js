// A curve of one tag's probability over time, with its strongest seconds highlighted.

import { Drawing } from "./drawing.js";
import { element } from "./element.js";
import { colour } from "./palette.js";

/** Draws the curve. Screen readers skip it, because the evidence panel says the same in words. */
export class Curve {
  /**
   * @param {import("./track.js").Track} track
   * @param {import("./view.js").View} view
   */
  constructor(track, view) {
    this._track = track;
    this._view = view;
    this._label = null;
    this._drawing = new Drawing((...place) => this._draw(...place));
    view.addEventListener("change", () => this._drawing.redraw());
    this.root = element("div", { class: "plot curve" }, this._drawing.canvas);
  }

  show(label) {
    this._label = label;
    this._drawing.redraw();
  }

  close() {
    this._drawing.close();
  }

  _draw(context, width, height) {
    if (this._label === null) return;
    const { slots } = this._track;
    const evidence = this._track.evidence[this._label];
    const x = (seconds) => this._view.place(seconds) * width;
    const y = (probability) => height - 1 - probability * (height - 3);

    context.fillStyle = colour("accent-soft");
    for (const [start, end] of evidence.strongest) context.fillRect(x(start), 0, x(end) - x(start), height);

    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    for (const level of [0, 0.5, 1]) {
      context.beginPath();
      context.moveTo(0, Math.round(y(level)) + 0.5);
      context.lineTo(width, Math.round(y(level)) + 0.5);
      context.stroke();
    }

    const points = evidence.curve.map((value, slot) => [x((slots.start(slot) + slots.end(slot)) / 2), y(value)]);
    const [left, right] = [x(0), x(this._track.duration)];
    const path = new Path2D();
    path.moveTo(left, points[0][1]);
    for (const [px, py] of points) path.lineTo(px, py);
    path.lineTo(right, points.at(-1)[1]);
    const area = new Path2D(path);
    area.lineTo(right, y(0));
    area.lineTo(left, y(0));
    context.fillStyle = colour("accent");
    context.globalAlpha = 0.16;
    context.fill(area);
    context.globalAlpha = 1;
    context.strokeStyle = colour("accent");
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.stroke(path);
  }
}
