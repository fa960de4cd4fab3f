// Files that are dropped anywhere on the page.

const ENDED_MILLISECONDS = 500;
const SOUND_ENDINGS = /\.(flac|ogg|oga|opus|mp3|m4a|m4b|aac|wav|aiff?|wma|ape|wv|mka|mp4|webm|ac3|dsf|tta|mpc|au)$/i;

export class Dropping {
  /** @param {(files: File[]) => void} take gets the files that were dropped, also those in folders */
  constructor(take) {
    let ending = 0;
    const show = (shown) => {
      clearTimeout(ending);
      document.body.classList.toggle("is-dropping", shown);
    };
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      show(true);
      // This event is repeated as long as something is dragged here. Leaving is not told where its element has gone.
      ending = setTimeout(() => show(false), ENDED_MILLISECONDS);
    });
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      show(false);
      filesOf(event.dataTransfer).then(take);
    });
  }
}

/** Return the files of a drop; of a folder, those that may be sounds. */
async function filesOf(transfer) {
  // The entries must be taken before the first wait, because the browser then empties the transfer.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const files = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  const found = await Promise.all(entries.map((entry) => (entry ? filesIn(entry, true) : [])));
  return found.flat();
}

async function filesIn(entry, chosen = false) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return chosen || isSound(file) ? [file] : [];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // A reader gives at most a hundred entries at a time.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) break;
    found.push(...entries);
  }
  found.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(found.map((each) => filesIn(each)))).flat();
}

/** Return whether a file of a folder may be a sound, by its kind or its ending. */
export function isSound({ name, type }) {
  return !name.startsWith(".") && (/^(audio|video)\//.test(type) || SOUND_ENDINGS.test(name));
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
