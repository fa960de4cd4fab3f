// Downloads of a track's result, as JSON or as tables.

import { element } from "./element.js";
import { icon } from "./icon.js";
import { menu } from "./menu.js";

const TOLD = [
  "source",
  "duration_seconds",
  "truncated",
  "short",
  "decoder",
  "model",
  "head_hash",
  "calibrated",
  "withheld",
];

/** Return the menu of downloads. */
export function downloads(track) {
  const saved = (ending, text, kind) => () => save(`${track.title}${ending}`, text(track), kind);
  return menu("Download", icon("download"), [
    { text: "JSON", hint: "everything, with evidence", act: saved(".json", json, "application/json") },
    { text: "CSV", hint: "one row, as earmark tag --csv", act: saved(".csv", csv, "text/csv") },
    { text: "CSV over time", hint: "one row for each moment", act: saved(" over time.csv", csvOverTime, "text/csv") },
  ]);
}

/** Return the prediction in the format of `earmark tag --json`, with the evidence of every tag. */
function json({ prediction, evidence }) {
  return `${JSON.stringify({ ...prediction, evidence }, null, 2)}\n`;
}

/** Return the row of a track below the columns, as `Prediction.csv_header` and `csv_row`. */
function csv(track) {
  return csvOf([track]);
}

/** Return the rows of some tracks below the columns, as `earmark tag --csv`. */
export function csvOf(tracks) {
  const labels = Object.keys(tracks[0].prediction.probabilities);
  return table([[...TOLD, ...labels], ...tracks.map(({ prediction }) => row(prediction, labels))]);
}

function row(prediction, labels) {
  const told = [
    prediction.source,
    prediction.duration_seconds.toFixed(3),
    prediction.truncated,
    prediction.short.join(" "),
    prediction.decoder,
    prediction.model.name,
    prediction.model.head_hash,
    prediction.calibrated,
    prediction.withheld?.sentence ?? "",
  ];
  return [...told, ...labels.map((label) => prediction.probabilities[label].toFixed(6))];
}

/** Return a table with a row for each window and a column for each tag. */
function csvOverTime({ prediction: { over_time: overTime } }) {
  const { seconds, window_seconds: window, labels, probabilities } = overTime;
  const rows = seconds.map((start, at) => [
    start.toFixed(3),
    (start + window).toFixed(3),
    ...probabilities[at].map((value) => value.toFixed(6)),
  ]);
  return table([["start_seconds", "end_seconds", ...labels], ...rows]);
}

/** Return rows of cells as CSV. */
export function table(rows) {
  return rows.map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

function quoted(cell) {
  const text = String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Save a text as a file of the browser's downloads. */
export function save(name, text, kind) {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
