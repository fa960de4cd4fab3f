// Problems: what went wrong and what to do, from the server (application/problem+json) or from the page itself.

import { element } from "./element.js";
import { icon } from "./icon.js";

/** Describes a failure and what to do about it. */
export class Problem extends Error {
  constructor({ title, detail, what_to_do: whatToDo, status = 0, position = null, retryAfter = null }) {
    super(detail);
    this.title = title;
    this.detail = detail;
    this.whatToDo = whatToDo;
    this.status = status;
    this.position = position;
    this.retryAfter = retryAfter;
  }

  /** Return the problem of a failed response, which may also be the error page of a proxy. */
  static async of(response) {
    const retryAfter = Number(response.headers.get("Retry-After")) || null;
    const kind = response.headers.get("Content-Type") ?? "";
    if (kind.startsWith("application/problem+json")) return new Problem({ ...(await response.json()), retryAfter });
    return Problem.withStatus(response.status, retryAfter);
  }

  /** Return the problem of a response that has only a status. */
  static withStatus(status, retryAfter = null) {
    return new Problem({
      title: "The server could not answer",
      detail: `It answered with status ${status} and no reason.`,
      what_to_do: "Try again. If the problem remains, look at the messages of earmark serve.",
      status,
      retryAfter,
    });
  }

  static unreachable() {
    return new Problem({
      title: "The server cannot be reached",
      detail: "earmark no longer answers.",
      what_to_do: "Check that earmark serve is still running, then try again.",
    });
  }
}

/** Convert any error to a Problem: fetch throws if the server cannot be reached, and other errors are the page's. */
export function problemOf(error) {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError && /fetch|network|load|input stream/i.test(error.message))
    return Problem.unreachable();
  throw error;
}

/** Return the card of a problem; `action` is a button, such as one that tries again. */
export function problemCard(problem, ...actions) {
  return element(
    "div",
    { class: "problem", role: "alert" },
    icon("wrong"),
    element(
      "div",
      { class: "problem-text" },
      element("p", { class: "problem-title" }, problem.title),
      element("p", {}, problem.detail),
      problem.whatToDo ? element("p", { class: "problem-todo" }, problem.whatToDo) : null,
      actions.length ? element("div", { class: "problem-actions" }, ...actions) : null,
    ),
  );
}
