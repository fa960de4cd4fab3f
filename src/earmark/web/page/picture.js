// The taggram as a picture, to be sent to somebody by the person who sees it.

import { save } from "./download.js";
import { element } from "./element.js";
import { clock, percent } from "./number.js";
import { colour, heatColours, heatOf } from "./palette.js";

const KIND = "image/png";
const TOLD_SECONDS = 2;
const [WIDTH, MARGIN, LABELS, VALUES, ROW, TITLE, FOOT] = [1200, 32, 190, 64, 30, 64, 56];
const TIMES = 6;

/** Return the button that copies the picture, or saves it where the browser cannot copy pictures. */
export function copyPicture(track, tags) {
  const button = element("button", { class: "quiet", type: "button", on: { click: () => copy() } }, "Copy as picture");
  const tell = (text) => {
    button.textContent = text;
    setTimeout(() => {
      button.textContent = "Copy as picture";
    }, TOLD_SECONDS * 1000);
  };
  const copy = async () => {
    // The picture is promised to the clipboard, because some browsers forget the click while it is drawn.
    const picture = pictureOf(track, tags());
    try {
      if (!navigator.clipboard?.write || !window.ClipboardItem) throw new DOMException("none", "NotAllowedError");
      await navigator.clipboard.write([new ClipboardItem({ [KIND]: picture })]);
      tell("Copied");
    } catch (error) {
      if (error.name !== "NotAllowedError") throw error;
      save(`${track.title}.png`, await picture, KIND);
      tell("Saved");
    }
  };
  return button;
}

/** Return the tags over time as a PNG, in the colours of the page. */
async function pictureOf(track, tags) {
  const canvas = new OffscreenCanvas(WIDTH, TITLE + tags.length * ROW + FOOT + MARGIN);
  const context = canvas.getContext("2d");
  const font = getComputedStyle(document.body).fontFamily;
  const left = MARGIN + LABELS;
  const width = WIDTH - left - VALUES - MARGIN;
  const write = (text, x, y, size, ink, align = "left", most = undefined) => {
    Object.assign(context, { font: `${size}px ${font}`, fillStyle: colour(ink), textAlign: align });
    context.textBaseline = "middle";
    context.fillText(text, x, y, most);
  };
  context.fillStyle = colour("surface");
  context.fillRect(0, 0, canvas.width, canvas.height);
  write(track.title, MARGIN, MARGIN + 4, 22, "ink", "left", WIDTH - 2 * MARGIN);
  const colours = heatColours();
  const { slots } = track;
  tags.forEach(({ label }, row) => {
    const top = TITLE + row * ROW;
    write(label, left - 12, top + ROW / 2, 16, "ink", "right", LABELS);
    track.evidence[label].curve.forEach((probability, slot) => {
      const [start, end] = [slots.start(slot), slots.end(slot)].map(
        (seconds) => left + (seconds / track.duration) * width,
      );
      context.fillStyle = `rgb(${heatOf(colours, probability).join(" ")})`;
      context.fillRect(Math.floor(start), top, Math.ceil(end) - Math.floor(start), ROW - 2);
    });
    write(percent(track.probability(label)), WIDTH - MARGIN, top + ROW / 2, 16, "ink", "right");
  });
  const below = TITLE + tags.length * ROW + 16;
  for (let time = 0; time <= TIMES; time += 1) {
    const align = time === 0 ? "left" : time === TIMES ? "right" : "center";
    write(clock((track.duration * time) / TIMES), left + (width * time) / TIMES, below, 14, "ink-soft", align);
  }
  write(`earmark, ${track.prediction.model.name}`, WIDTH - MARGIN, below + 30, 14, "ink-soft", "right");
  return canvas.convertToBlob({ type: KIND });
}
