// A canvas with the size of its container and the resolution of the screen; it redraws when these or the theme change.

import { element } from "./element.js";

export const THEME_CHANGED = "earmark:theme";

export class Drawing {
  /**
   * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} draw in CSS pixels
   * @param {object} properties of the element
   */
  constructor(draw, properties = {}) {
    this.canvas = element("canvas", { "aria-hidden": "true", ...properties });
    this._draw = draw;
    this._observer = new ResizeObserver(() => this.redraw());
    this._observer.observe(this.canvas);
    this._onTheme = () => this.redraw();
    document.addEventListener(THEME_CHANGED, this._onTheme);
    this._dark = matchMedia("(prefers-color-scheme: dark)");
    this._dark.addEventListener("change", this._onTheme);
  }

  redraw() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (!width || !height) return;
    const sharpness = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * sharpness);
    this.canvas.height = Math.round(height * sharpness);
    const context = this.canvas.getContext("2d");
    context.scale(sharpness, sharpness);
    this._draw(context, width, height);
  }

  close() {
    this._observer.disconnect();
    document.removeEventListener(THEME_CHANGED, this._onTheme);
    this._dark.removeEventListener("change", this._onTheme);
  }
}
