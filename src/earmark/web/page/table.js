// A table that is sorted by the headings of its columns.

import { element } from "./element.js";
import { icon } from "./icon.js";

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} name
 * @property {string} [sort] what a click on the heading sorts by; without it the column cannot be sorted by
 * @property {boolean} [hidden] whether the heading is only for screen readers
 * @property {string} [kind] class of the cells
 * @property {boolean} [heads] whether the cells head their rows
 * @property {(row: Row) => (Node|string|null)[]} cell
 */

/**
 * Shows rows. It does not order them: it calls `sort` with what somebody wants to sort by.
 *
 * @template Row
 */
export class Table {
  /**
   * @param {string} caption for screen readers
   * @param {Column<Row>[]} columns
   * @param {(by: string) => void} sort
   */
  constructor(caption, columns, sort) {
    this._columns = columns;
    this._heads = new Map();
    this._rows = new Map();
    this._body = element("tbody", {});
    this.root = element(
      "div",
      { class: "table-frame", role: "region", tabindex: "0", "aria-label": caption },
      element(
        "table",
        { class: "tracks" },
        element("caption", { class: "unseen" }, caption),
        element("thead", {}, element("tr", {}, ...columns.map((column) => this._head(column, sort)))),
        this._body,
      ),
    );
  }

  /** Show rows in their order; a row that is shown already keeps its place in the page where it can. */
  show(rows) {
    const kept = new Map(rows.map((row) => [row, this._rows.get(row) ?? this._row(row)]));
    this._rows = kept;
    this._body.replaceChildren(...kept.values());
  }

  /** The rows in the order in which they are shown. */
  get rows() {
    return this._rows.keys();
  }

  /** Show one row anew, or only its cell in the column with a name. */
  update(row, name = null) {
    const old = this._rows.get(row);
    if (!old) return;
    const place = this._columns.findIndex((column) => column.name === name);
    if (place >= 0) old.children[place].replaceWith(this._cells(row)[place]);
    else old.replaceChildren(...this._cells(row));
  }

  /** Mark the column by which the rows are sorted. */
  sorted(by, falling) {
    for (const [name, head] of this._heads) {
      if (name === by) head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  /**
   * @param {Column<Row>} column
   * @param {(by: string) => void} sort
   */
  _head({ name, sort: by, hidden, kind }, sort) {
    const content = by
      ? element("button", { class: "sort", type: "button", on: { click: () => sort(by) } }, name, icon("down"))
      : element("span", { class: hidden ? "unseen" : null }, name);
    const head = element("th", { scope: "col", class: kind ?? null }, content);
    if (by) this._heads.set(by, head);
    return head;
  }

  _row(row) {
    return element("tr", {}, ...this._cells(row));
  }

  _cells(row) {
    return this._columns.map(({ cell, kind, heads }) =>
      heads
        ? element("th", { scope: "row", class: kind ?? null }, ...cell(row))
        : element("td", { class: kind ?? null }, ...cell(row)),
    );
  }
}

/** Return the same for narrow screens, where it stands below the title instead of in a column of its own. */
export function narrow(list) {
  list?.classList.add("narrow");
  return list;
}

/** Return the cell of a track's tags: the most probable with their probabilities. */
export function tagList(tags, count = 4) {
  return element(
    "ul",
    { class: "entry-tags" },
    ...tags
      .slice(0, count)
      .map(({ label, probability }) =>
        element("li", {}, label, element("span", { class: "soft" }, ` ${Math.round(probability * 100)}%`)),
      ),
  );
}
