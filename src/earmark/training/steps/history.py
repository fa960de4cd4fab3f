"""The history of a training on disk, beside its weights."""

import dataclasses
import json
from pathlib import Path

from earmark.training.steps.fit import Epoch, History


def write_history(history: History, folder: Path) -> None:
    """Keep a history as history.json."""
    rows = [dataclasses.asdict(epoch) for epoch in history.epochs]
    (folder / "history.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def read_history(folder: Path) -> History:
    """The history that `write_history` kept."""
    rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return History(tuple(Epoch(**row) for row in rows))
