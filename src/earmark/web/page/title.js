// What a sound is called by people.

/** A file's name without its ending; a number behind a point, as in "No.5", is none. */
export function titleOf(name) {
  return name.replace(/\.[a-z][a-z0-9]{1,4}$/i, "") || name;
}
