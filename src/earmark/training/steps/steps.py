"""Store steps: work that is done once for given inputs, and found again afterwards."""

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
    """The finished steps of experiments, each in a folder that is named by its kind and a hash of its inputs.

    Experiments that need the same step, such as a local CNN with the same data, schedule and seed, share it. A step is
    finished once its `inputs.json` exists, which is written last. Where several processes train together, only the
    leader writes, and the others wait for it.
    """

    def __init__(self, folder: Path, fabric: Fabric) -> None:
        self._folder, self._fabric = folder, fabric

    def done(
        self, kind: str, inputs: Mapping[str, Any], make: Callable[[Path], None], *, together: bool = False
    ) -> Path:
        """Return the folder of a step, and call `make(folder)` first unless the step is finished.

        `make` may find files of an interrupted run in the folder, such as a checkpoint, and continue from them. Only
        the leader calls it; with `together` all processes call it, but only the leader may write.
        """
        text = json.dumps(inputs, sort_keys=True, indent=1)
        folder = self._folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        finished = folder / "inputs.json"
        leads = self._fabric.is_global_zero
        folder.mkdir(parents=True, exist_ok=True)
        # Another program that needs the same step waits here, and then finds it finished.
        with FileLock(folder / "lock") if leads else nullcontext():
            # All processes use the leader's answer, because one that looks later may find the step finished.
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
        """Remove all steps."""
        shutil.rmtree(self._folder, ignore_errors=True)
