// Icons, as paths on a grid of 24 by 24.

const SHAPES = {
  play: ["fill", "M8 5.2v13.6a.8.8 0 0 0 1.2.7l11-6.8a.8.8 0 0 0 0-1.4l-11-6.8a.8.8 0 0 0-1.2.7z"],
  pause: [
    "fill",
    "M7 5h3.2a.8.8 0 0 1 .8.8v12.4a.8.8 0 0 1-.8.8H7a.8.8 0 0 1-.8-.8V5.8A.8.8 0 0 1 7 5zm6.8 0H17a.8.8 0 0 1 .8.8v12.4a.8.8 0 0 1-.8.8h-3.2a.8.8 0 0 1-.8-.8V5.8a.8.8 0 0 1 .8-.8z",
  ],
  close: ["line", "M7 7l10 10M17 7L7 17"],
  plus: ["line", "M12 5v14M5 12h14"],
  search: ["line", "M11 18a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM16.2 16.2L20.5 20.5"],
  download: ["line", "M12 4v11M7.5 11L12 15.5 16.5 11M5 19.5h14"],
  map: [
    "fill",
    "M5 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM12 4a1.6 1.6 0 1 1 0 3.200 1.6 1.6 0 0 1 0-3.200zM18 9a2.200 2.200 0 1 1 0 4.400 2.200 2.200 0 0 1 0-4.400zM10 13a1.800 1.800 0 1 1 0 3.600 1.800 1.800 0 0 1 0-3.600zM17 16.500a1.500 1.500 0 1 1 0 3 1.500 1.500 0 0 1 0-3z",
  ],
  up: [
    "line",
    "M7 11v9H4v-9zM7 11l4-8a2 2 0 0 1 2 2v4h5.500a1.800 1.800 0 0 1 1.800 2.100l-1.200 7.200A2 2 0 0 1 17.100 20H7",
  ],
  thumbDown: [
    "line",
    "M17 13V4h3v9zM17 13l-4 8a2 2 0 0 1-2-2v-4H5.500a1.800 1.800 0 0 1-1.800-2.100l1.200-7.200A2 2 0 0 1 6.900 4H17",
  ],
  record: [
    "line",
    "M12 15a3 3 0 0 1-3-3V7a3 3 0 0 1 6 0v5a3 3 0 0 1-3 3zM6.500 11.500a5.500 5.500 0 0 0 11 0M12 17v3.500M9 20.500h6",
  ],
  link: ["line", "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1"],
  compare: ["line", "M4 7.5h12M4 12h16M4 16.5h8"],
  down: ["line", "M6 9.5l6 6 6-6"],
  light: [
    "line",
    "M12 16.5a4.5 4.5 0 1 1 0-9 4.5 4.5 0 0 1 0 9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  ],
  dark: ["line", "M20 14.2A8.2 8.2 0 0 1 9.8 4 8.2 8.2 0 1 0 20 14.2z"],
  drop: ["line", "M12 15V4.5M7.5 8.5L12 4l4.5 4.5M4.5 15v3a1.5 1.5 0 0 0 1.5 1.5h12a1.5 1.5 0 0 0 1.5-1.5v-3"],
  what: ["line", "M4 6.5h15M4 12h9.5M4 17.5h5.5"],
  when: ["fill", "M3.5 5h5v4h-5zM10 5h4.5v4H10zM16 10h4.5v4H16zM10 10h4.5v4H10zM3.5 15h5v4h-5zM16 15h4.5v4H16z"],
  why: ["line", "M4 19V5M4 8h6v3H4M10 12h5v3h-5M15 16h5v3h-5"],
  wrong: ["line", "M12 8v5M12 16.2v.3M12 20.5a8.5 8.5 0 1 1 0-17 8.5 8.5 0 0 1 0 17z"],
};

/** Return an icon as an SVG element. Screen readers skip it, because its button has a label. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const [kind, shape] = SHAPES[name];
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", `icon icon-${kind}`);
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", shape);
  drawing.append(path);
  return drawing;
}
