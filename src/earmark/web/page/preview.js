// The play buttons of lists, which share one player.

import { element } from "./element.js";
import { icon } from "./icon.js";
import { Player } from "./player.js";

export class Preview {
  constructor(api) {
    this._api = api;
    this._player = null;
    this._button = null;
  }

  /** Return a button that plays a sound of the server; `name` is told of it. */
  button(path, name) {
    const button = element("button", { class: "play play-small", type: "button" }, icon("play"));
    button.addEventListener("click", () => this._pressed(button, path));
    button.dataset.name = name;
    label(button, false);
    return button;
  }

  stop() {
    this._player?.close();
    if (this._button) label(this._button, false);
    this._player = null;
    this._button = null;
  }

  _pressed(button, path) {
    if (this._button === button) {
      this._player.toggle();
      return;
    }
    this.stop();
    const player = new Player(this._api, path);
    player.addEventListener("state", () => label(button, player.playing, player.problem));
    player.addEventListener("time", () => {
      button.style.setProperty("--played", player.duration ? String(player.time / player.duration) : "0");
    });
    this._player = player;
    this._button = button;
    player.play();
  }
}

function label(button, playing, problem = null) {
  button.replaceChildren(icon(playing ? "pause" : problem ? "wrong" : "play"));
  button.title = problem ? `${problem.title}. ${problem.whatToDo}` : "";
  const does = problem ? "Cannot play" : playing ? "Pause" : "Play";
  button.setAttribute("aria-label", `${does} ${button.dataset.name}`);
}
