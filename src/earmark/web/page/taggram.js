// The taggram: a heat map of tags over time. A click on a cell plays and explains its moment.

import { Drawing } from "./drawing.js";
import { element } from "./element.js";
import { clock, percent, spokenClock } from "./number.js";
import { heatColours, heatOf } from "./palette.js";
import { zoomByKey, zoomByWheel } from "./view.js";

const PAGE = 10;

/** Shows a row for each tag over time; calls `choose` with a selected tag, and `hear` with a tag and a slot of time. */
export class Taggram {
  /**
   * @param {import("./track.js").Track} track
   * @param {{hear: (label: string, slot: number) => void, choose: (label: string) => void}} wishes
   * @param {import("./view.js").View} view
   * @param {(cell: {label: string, time: string, probability: string}) => void} readout shows what lies under the pointer, or under the keyboard's cell
   */
  constructor(track, wishes, view, readout) {
    this._track = track;
    this._view = view;
    this._wishes = wishes;
    this._readout = readout;
    this._rows = [];
    this._cursor = { row: 0, slot: 0 };
    /** The cell that was chosen last, as it was read out, or null. */
    this._read = null;
    this._drawing = new Drawing((context, width) => this._draw(context, width));
    this._labels = element("ul", { class: "heat-labels" });
    this._cell = element("div", { class: "heat-cell", hidden: true });
    this._spoken = element("p", { class: "unseen", "aria-live": "polite" });
    this._plot = element(
      "div",
      {
        class: "plot heat",
        role: "application",
        tabindex: "0",
        "aria-roledescription": "heat map",
        "aria-label": "Tags over time. Arrow keys move between tags and moments, Enter plays and explains the moment.",
        on: {
          pointermove: (event) => this._hover(event),
          pointerleave: () => this._leave(),
          click: (event) => this._click(event),
          keydown: (event) => this._key(event),
          focus: () => this._tell(true),
          blur: () => this._leave(),
        },
      },
      this._drawing.canvas,
      this._cell,
    );
    zoomByWheel(this._plot, view);
    view.addEventListener("change", () => {
      this._cell.hidden = true;
      this._drawing.redraw();
    });
    this.root = element("div", { class: "taggram" }, this._labels, this._plot, this._spoken);
  }

  /** Show tags, [{label, group}], with space between groups. */
  rows(tags) {
    this._rows = tags;
    this._cursor.row = Math.min(this._cursor.row, tags.length - 1);
    this._labels.replaceChildren(
      ...tags.map(({ label, group }, place) => {
        const apart = place > 0 && tags[place - 1].group !== group;
        return element("li", { class: apart ? "apart" : null }, this._button(label));
      }),
    );
    this.show(this._chosen);
    this._drawing.redraw();
  }

  /** Mark the row of the selected tag. */
  show(label) {
    this._chosen = label;
    for (const button of this._labels.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.label === label));
    }
  }

  close() {
    this._drawing.close();
  }

  _button(label) {
    return element(
      "button",
      {
        type: "button",
        class: "heat-label",
        title: label,
        "data-label": label,
        "aria-pressed": "false",
        on: { click: () => this._wishes.choose(label) },
      },
      label,
    );
  }

  /** Return the positions of the rows, which those of their labels define. */
  _places() {
    return [...this._labels.querySelectorAll("button")].map((button) => ({
      top: button.offsetTop,
      height: button.offsetHeight,
    }));
  }

  _draw(context, width) {
    const { slots } = this._track;
    const colours = heatColours();
    const row = new OffscreenCanvas(slots.count, 1);
    const pixels = row.getContext("2d");
    const x = (seconds) => this._view.place(seconds) * width;
    const [left, first, last, right] = [0, slots.end(0), slots.start(slots.count - 1), slots.duration].map(x);
    // Wide cells get sharp edges. Narrow ones are averaged, so that every cell counts.
    context.imageSmoothingEnabled = slots.count > right - left;
    context.imageSmoothingQuality = "high";
    this._places().forEach(({ top, height }, place) => {
      const line = new ImageData(slots.count, 1);
      this._track.evidence[this._rows[place].label].curve.forEach((probability, slot) => {
        line.data.set([...heatOf(colours, probability), 255], slot * 4);
      });
      pixels.putImageData(line, 0, 0);
      const tall = height - 1;
      if (slots.count === 1) {
        context.drawImage(row, left, top, right - left, tall);
        return;
      }
      context.drawImage(row, 0, 0, 1, 1, left, top, first - left, tall);
      context.drawImage(row, slots.count - 1, 0, 1, 1, last, top, right - last, tall);
      if (slots.count > 2) context.drawImage(row, 1, 0, slots.count - 2, 1, first, top, last - first, tall);
    });
  }

  _under(event) {
    const { left, top, width } = this._plot.getBoundingClientRect();
    const seconds = this._view.at((event.clientX - left) / width);
    const y = event.clientY - top;
    const row = this._places().findIndex((place) => y >= place.top && y < place.top + place.height);
    return { row, slot: this._track.slots.at(seconds) };
  }

  _hover(event) {
    const under = this._under(event);
    if (under.row < 0) return;
    this._cursor = under;
    this._tell(false);
  }

  _leave() {
    this._cell.hidden = true;
    this._readout(this._read?.label === this._chosen ? this._read : null);
  }

  _click(event) {
    const under = this._under(event);
    if (under.row < 0) return;
    this._cursor = under;
    this._play();
    this._tell(false);
  }

  _key(event) {
    const { row, slot } = this._cursor;
    if (zoomByKey(event, this._view, this._track.slots.start(slot))) return;
    const moves = {
      ArrowLeft: [row, slot - 1],
      ArrowRight: [row, slot + 1],
      ArrowUp: [row - 1, slot],
      ArrowDown: [row + 1, slot],
      PageUp: [row, slot - PAGE],
      PageDown: [row, slot + PAGE],
      Home: [row, 0],
      End: [row, this._track.slots.count - 1],
    };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this._play();
    } else if (event.key in moves) {
      event.preventDefault();
      const [newRow, newSlot] = moves[event.key];
      this._cursor.row = Math.min(this._rows.length - 1, Math.max(0, newRow));
      this._cursor.slot = Math.min(this._track.slots.count - 1, Math.max(0, newSlot));
      this._tell(true);
    }
  }

  _play() {
    this._read = this._reading();
    this._wishes.hear(this._read.label, this._cursor.slot);
  }

  /** Return what the cell under the cursor says. */
  _reading() {
    const { row, slot } = this._cursor;
    const { label } = this._rows[row];
    const probability = percent(this._track.probabilityAt(label, slot));
    return { label, time: clock(this._track.slots.start(slot)), probability };
  }

  /** Outline a cell and show its values. */
  _tell(aloud) {
    const { slots } = this._track;
    const { row, slot } = this._cursor;
    const { label, time, probability } = this._reading();
    const { top, height } = this._places()[row];
    this._view.follow((slots.start(slot) + slots.end(slot)) / 2);
    this._cell.hidden = false;
    this._cell.style.setProperty("top", `${top}px`);
    this._cell.style.setProperty("height", `${height - 1}px`);
    const [left, right] = [slots.start(slot), slots.end(slot)].map((seconds) =>
      Math.min(1, Math.max(0, this._view.place(seconds))),
    );
    this._cell.style.setProperty("left", `${left * 100}%`);
    this._cell.style.setProperty("width", `${(right - left) * 100}%`);
    this._readout({ label, time, probability });
    if (aloud) this._spoken.textContent = `${label}, ${spokenClock(slots.start(slot))}, ${probability}`;
  }
}
