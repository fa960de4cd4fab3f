import csv
import io
import json
from pathlib import Path

import numpy as np
import soundfile
from tagging.builders import constant_bundle
from typer.testing import CliRunner, Result

from earmark.cli.main import app
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.bundle.card import TagName


def test_why_promises_are_withheld_is_said_in_every_form(tmp_path: Path) -> None:
    tags = (TagName("rock", "genres"), TagName("speech", "other sound"))
    write_bundle(constant_bundle([1.0, 2.5], tags), tmp_path / "model")
    path, told = tmp_path / "read.wav", "mostly speech (92 %)"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * 22_050), 22_050)

    def run(*options: str) -> Result:
        return CliRunner().invoke(app, ["tag", "--model", str(tmp_path / "model"), str(path), *options])

    said = f"  {told}: no tag of music is promised"
    assert run().stdout.splitlines() == [str(path), said, "  0.92  speech", "  0.73  rock"]
    assert run("--precision", "0.9").stdout.splitlines() == [str(path), said, "  0.92  speech"]
    record = json.loads(run("--precision", "0.9", "--jsonl").stdout)
    assert record["withheld"] == {"reason": "other sound", "sentence": told}
    assert record["promised"]["tags"] == ["speech"]
    for further in ((), ("--over-time", "--window-seconds", "2", "--hop-seconds", "2")):
        rows = list(csv.DictReader(io.StringIO(run("--precision", "0.9", "--csv", *further).stdout)))
        assert rows
        for row in rows:
            assert (row["withheld"], row["rock"], row["speech"] != "") == (told, "", True)
    assert "Did you mean" in str(run("--explain", "talk").exception)
