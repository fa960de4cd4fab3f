// The button that records the microphone; the recording becomes a track like any other file.

import { element } from "./element.js";
import { icon } from "./icon.js";
import { clock } from "./number.js";
import { Problem, problemCard } from "./problem.js";

const LONGEST_SECONDS = 600;
const REFUSED = {
  title: "The microphone cannot be used",
  detail: "The browser or the system does not allow it, or there is none.",
  what_to_do: "Allow the microphone for this page in the browser, then try again.",
};

/**
 * Return the button and a place for problems, or nothing where the browser records no sound (without https).
 *
 * @param {(files: File[]) => void} take
 */
export function recorder(take) {
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return null;
  const text = element("span", {}, "Record");
  const button = element(
    "button",
    { class: "button record", type: "button", "aria-pressed": "false" },
    icon("record"),
    text,
  );
  const problem = element("div", {});
  let recording = null;
  button.addEventListener("click", async () => {
    problem.replaceChildren();
    if (recording) {
      recording.stop();
      return;
    }
    // A second click would begin a second recording while the browser asks.
    button.disabled = true;
    try {
      recording = await record((seconds) => {
        text.textContent = `Stop, ${clock(seconds)}`;
      });
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      problem.append(problemCard(new Problem(REFUSED)));
      return;
    } finally {
      button.disabled = false;
    }
    button.setAttribute("aria-pressed", "true");
    const file = await recording.file;
    recording = null;
    button.setAttribute("aria-pressed", "false");
    text.textContent = "Record";
    take([file]);
  });
  return { button, problem };
}

/** Record until `stop` is called, or LONGEST_SECONDS; `file` is there at the end. */
async function record(tell) {
  // What makes speech clear would change music.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  let recorded;
  try {
    recorded = new MediaRecorder(stream);
  } catch (error) {
    for (const track of stream.getTracks()) track.stop();
    throw error;
  }
  const parts = [];
  const begun = performance.now();
  const ticking = setInterval(() => {
    const seconds = (performance.now() - begun) / 1000;
    tell(seconds);
    if (seconds > LONGEST_SECONDS) recorded.stop();
  }, 250);
  recorded.addEventListener("dataavailable", ({ data }) => parts.push(data));
  const file = new Promise((resolve) => {
    recorded.addEventListener("stop", () => {
      clearInterval(ticking);
      for (const track of stream.getTracks()) track.stop();
      const type = recorded.mimeType.split(";")[0];
      const ending = type.split("/")[1] ?? "webm";
      const when = new Date().toTimeString().slice(0, 5).replace(":", ".");
      resolve(new File(parts, `Recording ${when}.${ending}`, { type }));
    });
  });
  tell(0);
  recorded.start();
  return { stop: () => recorded.stop(), file };
}
