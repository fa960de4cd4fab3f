/** Tells what was found, what was expected and what to do. */
export class EarmarkError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "EarmarkError";
  }
}
