// The part of a track that its plots show: all of it, or a part that was zoomed in on.

const SHORTEST_SECONDS = 10;
const ZOOM = 2;

/** Holds the shown part of a track. It dispatches "change" when another part is shown. */
export class View extends EventTarget {
  /** @param {number} duration of the track in seconds */
  constructor(duration) {
    super();
    this.duration = duration;
    this.start = 0;
    this.end = duration;
  }

  get span() {
    return this.end - this.start;
  }

  get isWhole() {
    return this.span >= this.duration;
  }

  /** Whether a track is long enough to be zoomed. */
  get canZoom() {
    return this.duration >= 3 * SHORTEST_SECONDS;
  }

  /** Return where a second lies in the plots: 0 at the left edge, 1 at the right one. */
  place(seconds) {
    return (seconds - this.start) / (this.span || 1);
  }

  /** Return the second at a place of the plots, within the track. */
  at(place) {
    return Math.min(this.duration, Math.max(0, this.start + place * this.span));
  }

  /** Zoom in (a positive number of steps) or out around a second, which keeps its place. */
  zoom(steps, around = (this.start + this.end) / 2) {
    if (!this.canZoom) return;
    const span = Math.min(this.duration, Math.max(SHORTEST_SECONDS, this.span / ZOOM ** steps));
    this._show(around - this.place(around) * span, span);
  }

  /** Show the part before or after the shown one, by a share of it. */
  move(share) {
    this._show(this.start + share * this.span, this.span);
  }

  /** Show the part that contains a second, if the shown one does not. */
  follow(seconds) {
    if (seconds < this.start || seconds > this.end) this._show(seconds - this.span / 10, this.span);
  }

  whole() {
    this._show(0, this.duration);
  }

  _show(start, span) {
    const from = Math.min(Math.max(0, start), Math.max(0, this.duration - span));
    if (from === this.start && from + span === this.end) return;
    this.start = from;
    this.end = from + span;
    this.dispatchEvent(new Event("change"));
  }
}

/** Zoom a view by the wheel with Ctrl, or by a pinch, and move it by a wheel that turns sideways. */
export function zoomByWheel(plot, view) {
  plot.addEventListener(
    "wheel",
    (event) => {
      const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (!event.ctrlKey && (!sideways || view.isWhole)) return;
      event.preventDefault();
      const { left, width } = plot.getBoundingClientRect();
      if (event.ctrlKey) view.zoom(-event.deltaY / 100, view.at((event.clientX - left) / width));
      else view.move(event.deltaX / width);
    },
    { passive: false },
  );
}

/** Zoom a view by the keys + and −, and show all of it by 0; return whether the key was one of them. */
export function zoomByKey(event, view, around) {
  if (event.altKey || event.ctrlKey || event.metaKey || !["+", "=", "-", "0"].includes(event.key)) return false;
  event.preventDefault();
  if (event.key === "0") view.whole();
  else view.zoom(event.key === "-" ? -1 : 1, around);
  return true;
}
