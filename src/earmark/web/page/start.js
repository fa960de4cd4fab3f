// The start view: drop a song, choose files, or pick a track of the library.

import { isSound } from "./dropping.js";
import { element } from "./element.js";
import { icon } from "./icon.js";
import { recorder } from "./recorder.js";

/* Rendered by tools/example_song.py: made by earmark, soundfont under the MIT licence. */
const EXAMPLE = "page/example.ogg";
const HERE = ["localhost", "127.0.0.1", "[::1]"];

const LESSONS = [
  ["what", "What", "Tags in groups, each with its probability."],
  ["when", "When", "Every tag over the length of the track. Choose a moment to hear it."],
  ["why", "Why", "Which lengths of sound and which layers decided a tag."],
];

export class Start {
  /**
   * @param {object} limits of the server, as `/health` has them, or a sentence `about` what is done with sounds
   * @param {import("./page.js").Page} page
   * @param {import("./live.js").Live} live
   * @param {import("./library.js").Library|null} library
   */
  constructor(limits, page, live, library) {
    this.player = null;
    const input = element("input", {
      class: "unseen",
      id: "files",
      type: "file",
      multiple: true,
      accept: "audio/*,video/*,.flac,.ogg,.opus,.aiff,.aif,.wma,.ape,.wv,.mka",
      on: {
        change: () => {
          page.openFiles([...input.files]);
          input.value = "";
        },
      },
    });
    const folder = element("input", {
      class: "unseen",
      id: "folder",
      type: "file",
      webkitdirectory: true,
      on: {
        change: () => {
          page.openFiles([...folder.files].filter(isSound));
          folder.value = "";
        },
      },
    });
    const recording = recorder((files) => page.openFiles(files));
    const example = async () => {
      const sound = await page.api.blob(EXAMPLE);
      page.openFiles([new File([sound], "Example song.ogg", { type: "audio/ogg" })]);
    };
    const where = HERE.includes(location.hostname)
      ? "The sound stays on this computer"
      : "The sound goes only to this server";
    const most = `Up to ${limits.max_minutes} minutes and ${limits.max_megabytes} MB.`;
    const about = limits.about ?? `${most} ${where}, and is removed after ${limits.keep_minutes} minutes.`;
    this.root = element(
      "article",
      { class: "start" },
      live.root,
      element(
        "div",
        { class: "hero" },
        element("h1", { class: "display", tabindex: "-1" }, "What is in a song, when, and why"),
        element(
          "p",
          { class: "lead" },
          "earmark listens to a track and says which instruments, voices, genres and moods it hears, when each of them ",
          "sounds, and which parts of the sound decided it.",
        ),
        element(
          "div",
          { class: "drop" },
          icon("drop"),
          element("p", { class: "drop-title" }, "Drop songs or folders here"),
          element(
            "div",
            { class: "drop-choices" },
            element("label", { class: "button primary", for: "files" }, "Choose files"),
            input,
            element("label", { class: "button", for: "folder" }, "Choose a folder"),
            folder,
            recording?.button ?? null,
            ...(page.api.choices ?? []),
            element("button", { class: "button", type: "button", on: { click: example } }, "Try an example"),
          ),
          recording?.problem ?? null,
          element("p", { class: "hint" }, `MP3, FLAC, WAV, OGG, M4A and most others. ${about}`),
        ),
      ),
      element("ul", { class: "lessons", "aria-label": "What you will see" }, ...LESSONS.map(lesson)),
      library?.root ?? null,
    );
  }

  opened() {}

  close() {}
}

/** @param {string[]} lesson its picture, title and text */
function lesson([picture, title, text]) {
  return element("li", { class: "lesson" }, icon(picture), element("h2", {}, title), element("p", {}, text));
}
