// A tiny taggram: the strongest tags of a track over time, as rows of a small picture.

import { element } from "./element.js";
import { heatColours, heatOf } from "./palette.js";

const ROWS = 5;

/**
 * Return the picture of some curves, or nothing for none.
 *
 * @param {{label: string, curve: number[]}[]} curves the strongest tag first
 */
export function strip(curves) {
  const shown = curves.slice(0, ROWS);
  if (!shown.length || !shown[0].curve.length) return null;
  const columns = shown[0].curve.length;
  const canvas = element("canvas", {
    class: "tiny",
    role: "img",
    "aria-label": `Over time: ${shown.map(({ label }) => label).join(", ")}`,
    title: shown.map(({ label }) => label).join("\n"),
  });
  canvas.width = columns;
  canvas.height = shown.length;
  const colours = heatColours();
  const pixels = new ImageData(columns, shown.length);
  shown.forEach(({ curve }, row) => {
    curve.forEach((probability, column) => {
      pixels.data.set([...heatOf(colours, probability), 255], (row * columns + column) * 4);
    });
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}
