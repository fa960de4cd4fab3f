"""A folder of short sounds with a table and a recipe over them, and a model with the table's tags."""

import json
from dataclasses import dataclass
from pathlib import Path

from tagging.builders import make_bundle

from earmark.tagging.bundle.bundle import write_bundle
from training.sounds import write_noise

TRACKS = 16
LABELS = ["tag 1", "tag 2", "tag 3"]


@dataclass(frozen=True)
class Sounding:
    """Where everything is; the dataset is the table with the option `tags` of `LABELS`."""

    table: Path
    recipe: Path
    model: Path


def make_sounding(folder: Path, *, calibrated: bool = False) -> Sounding:
    """Sixteen sounds of two seconds with the tags 1 to 3 in turns: 4 train, 6 validate, 6 test; a random model."""
    rows = ["path,tags,group,split"]
    for number in range(TRACKS):
        write_noise(folder / "music" / f"{number:02d}.flac", number, 2 * 22_050)
        tags = [label for tag, label in enumerate(LABELS) if number // 2**tag % 2] or ["none of them"]
        side = "train" if number < 4 else "valid" if number < 10 else "test"
        rows.append(f"music/{number:02d}.flac,{';'.join(tags)},artist {number},{side}")
    table = folder / "music.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_bundle(make_bundle(tags=3, calibrated=calibrated), folder / "model")
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'name = "sounding"\n[data]\ndataset = "table"\nroot = "{table}"\n'
        f'options = {{ tags = {json.dumps(LABELS)} }}\nsplits = ["default"]\n',
        encoding="utf-8",
    )
    return Sounding(table, recipe, folder / "model")
