"""Keeps steps: work that is done once for given inputs and found again afterwards."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock
from lightning.fabric import Fabric


class Steps:
    """Finished steps under one folder, each in its own folder, named by its kind and a hash of its inputs.

    Two experiments that need the same step, such as a local CNN with the same data, schedule and seed, share it. A step
    counts as done once its `inputs.json` is there; it is written last. Where several processes train together, one of
    them leads: it alone writes, and the others wait for it.
    """

    def __init__(self, folder: Path, fabric: Fabric) -> None:
        self._folder, self._fabric = folder, fabric

    def done(
        self, kind: str, inputs: Mapping[str, Any], make: Callable[[Path], None], *, together: bool = False
    ) -> Path:
        """Return the folder of a step, made now by `make(folder)` unless it was made before.

        `make` may find what an interrupted run left in the folder, such as a checkpoint, and go on from there. It is
        called by the leading process alone, or by all of them with `together`; then only the leader may write.
        """
        text = json.dumps(inputs, sort_keys=True, indent=1)
        folder = self._folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        finished = folder / "inputs.json"
        leads = self._fabric.is_global_zero
        folder.mkdir(parents=True, exist_ok=True)
        # Another program that works in the same folder waits here, and finds the step done.
        with FileLock(folder / "lock") if leads else nullcontext():
            # All processes use what the leader found, since one that looks later may find the step done and stay away.
            missing = self._fabric.broadcast(not finished.exists())
            if missing and (together or leads):
                make(folder)
                if leads:
                    fresh = folder / "inputs.fresh"
                    fresh.write_text(text, encoding="utf-8")
                    fresh.replace(finished)
            self._fabric.barrier()
        return folder

    def forget(self) -> None:
        """Remove every finished step."""
        shutil.rmtree(self._folder, ignore_errors=True)
