// The HTTP API: it adds the token to requests and turns failed responses into problems.

import { Problem } from "./problem.js";

const TOKEN = "earmark.token";

/** Return the address of a resource of the page's server, also if a proxy serves the page below a path. */
export function address(path) {
  return new URL(path.replace(/^\//, ""), new URL(".", location.href.split("#")[0])).href;
}

export class Api {
  /** @param {(refused: boolean) => Promise<string>} askToken asks the person for the token, once for all requests that wait */
  constructor(askToken) {
    this._askToken = askToken;
    this._asking = null;
    /** Whether an address of a track works for others too, and after a reload. */
    this.hasLinks = true;
  }

  get token() {
    return sessionStorage.getItem(TOKEN);
  }

  /** Return the headers of a request. */
  get headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  /** Send a request and return its response; ask for the token until the server accepts it. Throws a Problem. */
  async fetch(path, options = {}) {
    for (;;) {
      const sent = this.token;
      const response = await fetch(address(path), { ...options, headers: { ...options.headers, ...this.headers } });
      if (response.ok) return response;
      if (response.status !== 401) throw await Problem.of(response);
      await this._newToken(sent);
    }
  }

  async json(path, options) {
    return (await this.fetch(path, options)).json();
  }

  async blob(path) {
    return (await this.fetch(path)).blob();
  }

  /** Return the address of a sound. With a token the sound is fetched whole, because audio elements send no token. */
  async sourceOf(path) {
    return this.token ? URL.createObjectURL(await this.blob(path)) : address(path);
  }

  /** Upload a file; `progress` is called with the share that was sent, 0 to 1. */
  async upload(file, progress, signal) {
    for (;;) {
      const sent = this.token;
      const request = await this._send(file, progress, signal);
      if (request.status === 202) return JSON.parse(request.responseText);
      if (request.status !== 401) throw problemOfRequest(request);
      await this._newToken(sent);
    }
  }

  _send(file, progress, signal) {
    return new Promise((resolve, reject) => {
      // XMLHttpRequest reports the progress of an upload, which fetch does not.
      const request = new XMLHttpRequest();
      request.open("POST", address(`v1/tracks?name=${encodeURIComponent(file.name)}`));
      for (const [name, value] of Object.entries(this.headers)) request.setRequestHeader(name, value);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) progress(event.loaded / event.total);
      });
      request.addEventListener("load", () => resolve(request));
      request.addEventListener("error", () => reject(Problem.unreachable()));
      request.addEventListener("abort", () => reject(new DOMException("closed", "AbortError")));
      signal.addEventListener("abort", () => request.abort());
      request.send(file);
    });
  }

  async _newToken(refused) {
    if (this.token !== refused) return;
    this._asking ??= this._askToken(refused !== null).finally(() => {
      this._asking = null;
    });
    sessionStorage.setItem(TOKEN, await this._asking);
  }
}

function problemOfRequest(request) {
  const retryAfter = Number(request.getResponseHeader("Retry-After")) || null;
  const kind = request.getResponseHeader("Content-Type") ?? "";
  if (!kind.startsWith("application/problem+json")) return Problem.withStatus(request.status, retryAfter);
  return new Problem({ ...JSON.parse(request.responseText), retryAfter });
}
