// What went wrong, and what to do about it: the server's application/problem+json, or the same made here.

import { element } from "./element.js";
import { icon } from "./icon.js";

/** A failure in words that a person can act on. */
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

  /** The problem that an answer of the server holds, whoever wrote it: a proxy's error page says less. */
  static async of(response) {
    const retryAfter = Number(response.headers.get("Retry-After")) || null;
    const kind = response.headers.get("Content-Type") ?? "";
    if (kind.startsWith("application/problem+json")) return new Problem({ ...(await response.json()), retryAfter });
    return Problem.withStatus(response.status, retryAfter);
  }

  /** Where the answer says nothing but its status. */
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

/** Any error as a Problem: what is thrown by fetch is a server that cannot be reached; what else is thrown is ours. */
export function problemOf(error) {
  if (error instanceof Problem) return error;
  if (error instanceof TypeError && /fetch|network|load|input stream/i.test(error.message))
    return Problem.unreachable();
  throw error;
}

/** The card that tells of a problem; `action` is a button that does something about it. */
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
