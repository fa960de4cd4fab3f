// Points in a plane, drawn pixel by pixel, so that a hundred thousand of them move fluently.

import { Drawing } from "./drawing.js";
import { element } from "./element.js";
import { colour, heatColours, heatOf } from "./palette.js";

const MARGIN = 0.94;
const NEAR_PIXELS = 14;
const CLOSEST = 200;
const ZOOM = 1.25;
const PAN_SHARE = 0.15;
const UNCHOSEN = 0.25;
const LEAST_SHADE = 0.28;
const PLAIN_SHADE = 0.55;
const SHADES = 64;
/* The size of a point in pixels, by the number of points up to which it is used. */
const SIZES = [
  [2000, 9],
  [20_000, 5],
  [Number.POSITIVE_INFINITY, 2],
];

/**
 * Draws points and finds them. It dispatches "hover" and "choose" with the index of a point or null, and "lasso" with
 * the indices inside.
 */
export class Points extends EventTarget {
  /**
   * @param {number[]} x from -1 to 1
   * @param {number[]} y from -1 to 1
   * @param {{text: string, x: number, y: number}[]} names written over the points
   */
  constructor(x, y, names) {
    super();
    this._x = Float32Array.from(x);
    this._y = Float32Array.from(y);
    this._names = names;
    this._values = null;
    /** @type {Uint8Array|null} */
    this._chosen = null;
    this._current = null;
    this._centre = [0, 0];
    this._zoom = 1;
    this._path = [];
    this._frame = 0;
    this._pixels = null;
    this._levelled = null;
    this._ordered = null;
    this.isLasso = true;
    const draw = (context, width, height) => this._draw(context, width, height);
    this._drawing = new Drawing(draw);
    this.root = element(
      "div",
      {
        class: "points",
        role: "application",
        tabindex: "0",
        "aria-roledescription": "map",
        "aria-label": "Map of the library. Arrow keys go to the next track, Enter plays it, + and − zoom.",
        on: {
          pointermove: (event) => this._move(event),
          pointerleave: () => this._hover(null),
          pointerdown: (event) => this._press(event),
          keydown: (event) => this._key(event),
        },
      },
      this._drawing.canvas,
    );
    this.root.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
  }

  /** Shade the points by values from 0 to 1, or all alike for null. */
  shade(values) {
    this._values = values;
    this._redraw();
  }

  /** Highlight some points, or none for null. */
  highlight(indices) {
    this._chosen = indices === null ? null : new Uint8Array(this._x.length);
    for (const index of indices ?? []) this._chosen[index] = 1;
    this._redraw();
  }

  /** Zoom in (a positive number of steps) or out around a place of the canvas, in pixels. */
  zoom(steps, around = null) {
    const { width, height } = this.root.getBoundingClientRect();
    const [px, py] = around ?? [width / 2, height / 2];
    const [x, y] = this._plane(px, py);
    this._zoom = Math.min(CLOSEST, Math.max(1, this._zoom * ZOOM ** steps));
    const [newX, newY] = this._plane(px, py);
    this._go(this._centre[0] + x - newX, this._centre[1] + y - newY);
  }

  close() {
    this._drawing.close();
  }

  _go(x, y) {
    const most = 1 - 1 / this._zoom;
    this._centre = [x, y].map((value) => Math.min(most, Math.max(-most, value)));
    this._redraw();
  }

  /** Redraw once for all that changes before the next frame. */
  _redraw() {
    if (this._frame) return;
    this._frame = requestAnimationFrame(() => {
      this._frame = 0;
      this._drawing.redraw();
    });
  }

  _scale(width, height) {
    return (Math.min(width, height) / 2) * MARGIN * this._zoom;
  }

  _plane(px, py) {
    const { width, height } = this.root.getBoundingClientRect();
    const scale = this._scale(width, height);
    return [this._centre[0] + (px - width / 2) / scale, this._centre[1] - (py - height / 2) / scale];
  }

  _draw(context, width, height) {
    const { canvas } = context;
    const sharpness = canvas.width / width;
    const scale = this._scale(width, height) * sharpness;
    const [left, top] = [canvas.width / 2 - this._centre[0] * scale, canvas.height / 2 + this._centre[1] * scale];
    if (this._pixels?.width !== canvas.width || this._pixels.height !== canvas.height) {
      this._pixels = new ImageData(canvas.width, canvas.height);
    }
    const words = new Uint32Array(this._pixels.data.buffer);
    words.fill(0);
    this._drawPoints(words, canvas.width, canvas.height, left, top, scale, sharpness);
    context.putImageData(this._pixels, 0, 0);
    this._drawCurrent(context, left / sharpness, top / sharpness, scale / sharpness);
    this._drawNames(context, left / sharpness, top / sharpness, scale / sharpness);
    this._drawLasso(context);
  }

  /** Write the points into pixels, which are words of alpha, blue, green and red. */
  _drawPoints(words, width, height, left, top, scale, sharpness) {
    const [, base] = SIZES.find(([count]) => this._x.length <= count);
    const size = Math.round(base * Math.min(3, Math.sqrt(this._zoom)) * sharpness);
    const [full, pale] = [1, UNCHOSEN].map((alpha) => shades(alpha));
    const [x, y, levels, chosen, order] = [this._x, this._y, this._levels(), this._chosen, this._order()];
    for (let place = 0; place < order.length; place += 1) {
      const index = order[place];
      const px = Math.round(left + x[index] * scale);
      const py = Math.round(top - y[index] * scale);
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
      const word = (chosen !== null && chosen[index] === 0 ? pale : full)[levels[index]];
      if (size > 3) {
        disc(words, width, height, px, py, size, word);
        continue;
      }
      const right = Math.min(width, px + size);
      const bottom = Math.min(height, py + size);
      for (let row = py; row < bottom; row += 1) {
        for (let column = px; column < right; column += 1) words[row * width + column] = word;
      }
    }
  }

  /** Return the shade of each point, 0 to SHADES. */
  _levels() {
    if (this._levelled?.values !== this._values) {
      const values = this._values;
      const levels = new Uint8Array(this._x.length).fill(Math.round(PLAIN_SHADE * SHADES));
      values?.forEach((value, index) => {
        levels[index] = Math.round((LEAST_SHADE + (1 - LEAST_SHADE) * value) * SHADES);
      });
      this._levelled = { values, levels };
    }
    return this._levelled.levels;
  }

  /** Return the points in the order in which they are drawn: the highest values last, and so on top. */
  _order() {
    if (this._ordered?.values !== this._values) {
      const indices = Uint32Array.from(this._x, (_, index) => index);
      const values = this._values;
      if (values) indices.sort((a, b) => values[a] - values[b]);
      this._ordered = { values, indices };
    }
    return this._ordered.indices;
  }

  _drawCurrent(context, left, top, scale) {
    if (this._current === null) return;
    context.strokeStyle = colour("ink");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(left + this._x[this._current] * scale, top - this._y[this._current] * scale, 7, 0, 2 * Math.PI);
    context.stroke();
  }

  _drawNames(context, left, top, scale) {
    context.font = `600 12px ${getComputedStyle(this.root).fontFamily}`;
    context.textAlign = "center";
    context.lineWidth = 4;
    context.lineJoin = "round";
    context.strokeStyle = colour("surface");
    context.fillStyle = colour("ink");
    for (const { text, x, y } of this._names) {
      context.strokeText(text, left + x * scale, top - y * scale);
      context.fillText(text, left + x * scale, top - y * scale);
    }
  }

  _drawLasso(context) {
    if (this._path.length < 2) return;
    context.strokeStyle = colour("accent");
    context.fillStyle = colour("accent-soft");
    context.lineWidth = 1.5;
    context.beginPath();
    for (const [px, py] of this._path) context.lineTo(px, py);
    context.closePath();
    context.globalAlpha = 0.3;
    context.fill();
    context.globalAlpha = 1;
    context.stroke();
  }

  _pixel(event) {
    const { left, top } = this.root.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  _nearest(px, py) {
    const [x, y] = this._plane(px, py);
    const { width, height } = this.root.getBoundingClientRect();
    let best = (NEAR_PIXELS / this._scale(width, height)) ** 2;
    let found = null;
    for (let index = 0; index < this._x.length; index += 1) {
      const distance = (this._x[index] - x) ** 2 + (this._y[index] - y) ** 2;
      if (distance < best) {
        best = distance;
        found = index;
      }
    }
    return found;
  }

  _move(event) {
    if (event.buttons) return;
    this._hover(this._nearest(...this._pixel(event)));
  }

  _hover(index) {
    if (index === this._current) return;
    this._current = index;
    this._redraw();
    this.dispatchEvent(new CustomEvent("hover", { detail: index }));
  }

  /** Follow a drag: it draws a lasso or moves the map; without a move it is a click on a point. */
  _press(event) {
    if (event.button !== 0) return;
    this.root.setPointerCapture(event.pointerId);
    const from = this._pixel(event);
    const centre = [...this._centre];
    let moved = false;
    const follow = (at) => {
      const [px, py] = this._pixel(at);
      if (!moved && Math.hypot(px - from[0], py - from[1]) < 4) return;
      moved = true;
      if (this.isLasso) {
        this._path.push([px, py]);
        this._redraw();
        return;
      }
      const { width, height } = this.root.getBoundingClientRect();
      const scale = this._scale(width, height);
      this._go(centre[0] - (px - from[0]) / scale, centre[1] + (py - from[1]) / scale);
    };
    const release = () => {
      this.root.removeEventListener("pointermove", follow);
      this.root.removeEventListener("pointerup", release);
      this.root.removeEventListener("pointercancel", release);
      if (!moved) this._choose(this._nearest(...from));
      else if (this.isLasso) this._endLasso();
    };
    this.root.addEventListener("pointermove", follow);
    this.root.addEventListener("pointerup", release);
    this.root.addEventListener("pointercancel", release);
  }

  _choose(index) {
    this._current = index;
    this._redraw();
    this.dispatchEvent(new CustomEvent("choose", { detail: index }));
  }

  _endLasso() {
    const path = this._path.map(([px, py]) => this._plane(px, py));
    this._path = [];
    const inside = [];
    for (let index = 0; index < this._x.length; index += 1) {
      if (isInside(path, this._x[index], this._y[index])) inside.push(index);
    }
    this.dispatchEvent(new CustomEvent("lasso", { detail: inside }));
  }

  _wheel(event) {
    event.preventDefault();
    this.zoom(-event.deltaY / 100, this._pixel(event));
  }

  _key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key in ways) this._step(...ways[event.key], event.shiftKey);
    else if (event.key === "+" || event.key === "=") this.zoom(2);
    else if (event.key === "-") this.zoom(-2);
    else if (event.key === "Enter" && this._current !== null) this._choose(this._current);
    else return;
    event.preventDefault();
  }

  /** Go to the nearest point in a direction, or move the map with Shift. */
  _step(dx, dy, moves) {
    if (moves) {
      this._go(this._centre[0] + (dx * PAN_SHARE) / this._zoom, this._centre[1] + (dy * PAN_SHARE) / this._zoom);
      return;
    }
    const [x, y] = this._current === null ? this._centre : [this._x[this._current], this._y[this._current]];
    let best = Number.POSITIVE_INFINITY;
    let found = this._current;
    for (let index = 0; index < this._x.length; index += 1) {
      const along = (this._x[index] - x) * dx + (this._y[index] - y) * dy;
      const across = Math.abs((this._x[index] - x) * dy) + Math.abs((this._y[index] - y) * dx);
      if (index === this._current || (this._current !== null && (along <= 0 || across > along))) continue;
      const distance = Math.hypot(along, 2 * across);
      if (distance < best) {
        best = distance;
        found = index;
      }
    }
    this._hover(found);
  }
}

/** Return the colours of the shades as words of pixels. */
function shades(alpha) {
  const colours = heatColours();
  return Uint32Array.from({ length: SHADES + 1 }, (_, level) => {
    const [red, green, blue] = heatOf(colours, level / SHADES);
    return ((Math.round(alpha * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

/** Fill a disc, row by row. */
function disc(words, width, height, px, py, size, word) {
  const radius = size / 2;
  const bottom = Math.min(height, Math.ceil(py + radius));
  for (let y = Math.max(0, Math.floor(py - radius)); y < bottom; y += 1) {
    const half = Math.sqrt(Math.max(0, radius ** 2 - (y + 0.5 - py) ** 2));
    const [left, right] = [Math.max(0, Math.round(px - half)), Math.min(width, Math.round(px + half))];
    if (left < right) words.fill(word, y * width + left, y * width + right);
  }
}

/** Return whether a point is inside a polygon: a ray from it crosses the edge an odd number of times. */
function isInside(path, x, y) {
  let inside = false;
  for (let to = 0, from = path.length - 1; to < path.length; from = to, to += 1) {
    const [[ax, ay], [bx, by]] = [path[from], path[to]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}
