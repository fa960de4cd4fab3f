// Files that are dropped anywhere on the page.

export class Dropping {
  /** @param {(files: FileList) => void} take gets what was dropped */
  constructor(take) {
    let inside = 0;
    const show = () => document.body.classList.toggle("is-dropping", inside > 0);
    document.addEventListener("dragenter", (event) => {
      if (!hasFiles(event)) return;
      inside += 1;
      show();
    });
    document.addEventListener("dragleave", (event) => {
      if (!hasFiles(event)) return;
      inside -= 1;
      show();
    });
    document.addEventListener("dragover", (event) => {
      if (hasFiles(event)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      inside = 0;
      show();
      take(event.dataTransfer.files);
    });
  }
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
