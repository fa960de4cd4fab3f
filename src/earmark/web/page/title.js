// Titles of sounds.

/** Return a file's name without its extension; a number after a point, as in "No.5", is no extension. */
export function titleOf(name) {
  return name.replace(/\.[a-z][a-z0-9]{1,4}$/i, "") || name;
}
