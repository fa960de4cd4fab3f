// The HTTP API as this page uses it: addresses beside the page, the token where one is wanted, problems as Problem.

import { Problem } from "./problem.js";

const TOKEN = "earmark.token";

/** The address of something on the server that the page came from, also below a path of a proxy. */
export function address(path) {
  return new URL(path.replace(/^\//, ""), new URL(".", location.href.split("#")[0])).href;
}

export class Api {
  /** @param {(refused: boolean) => Promise<string>} askToken asks the person for the token, once for all requests that wait */
  constructor(askToken) {
    this._askToken = askToken;
    this._asking = null;
  }

  get token() {
    return sessionStorage.getItem(TOKEN);
  }

  /** What a request has to carry. */
  get headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  /** A good answer, or a Problem thrown; asks for the token as often as it takes. */
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

  /** Send a file to be listened to; `progress` hears which share of it has left, 0 to 1. */
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
      // Not fetch: only this tells how much of an upload has gone.
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
