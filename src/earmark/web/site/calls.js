// Calls of the worker's functions from the page.

export class Calls {
  /** @param {Worker} worker */
  constructor(worker) {
    this._worker = worker;
    this._count = 0;
    /** @type {Map<number, {resolve: Function, reject: Function, tell: Function}>} */
    this._open = new Map();
    worker.addEventListener("message", ({ data: { call, event, data } }) => this._told(call, event, data));
    worker.addEventListener("error", ({ message }) => this._broken(message));
  }

  /**
   * Call a function of the worker and return its answer; `tell` gets its events.
   *
   * @param {string} name
   * @param {object} [parts]
   * @param {{tell?: (event: string, data: any) => void, transfer?: Transferable[]}} [options]
   * @returns {Promise<any>}
   */
  call(name, parts = {}, { tell = () => {}, transfer = [] } = {}) {
    this._count += 1;
    const call = this._count;
    return new Promise((resolve, reject) => {
      this._open.set(call, { resolve, reject, tell });
      this._worker.postMessage({ call, name, parts }, transfer);
    });
  }

  _told(call, event, data) {
    const { resolve, reject, tell } = this._open.get(call);
    if (event !== "answer" && event !== "error") {
      tell(event, data);
      return;
    }
    this._open.delete(call);
    if (event === "answer") resolve(data);
    else reject(Object.assign(new Error(data.message), { name: data.name }));
  }

  _broken(message) {
    for (const { reject } of this._open.values()) reject(new Error(message ?? "The worker could not start."));
    this._open.clear();
  }
}
