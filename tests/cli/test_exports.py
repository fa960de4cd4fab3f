import json
from pathlib import Path

import numpy as np
import pytest
from tagging.builders import write_random_bundle
from training.sounds import write_noise
from typer.testing import CliRunner, Result

import earmark
from earmark.cli.main import app
from earmark.errors import TagError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    write_random_bundle(folder / "model")
    write_noise(folder / "music" / "one" / "song.flac", 1, 3 * 22_050)
    write_noise(folder / "music" / "two" / "song.flac", 2, 3 * 22_050)
    (folder / "music" / "broken.mp3").write_bytes(b"no sound" * 100)
    return folder


def tag(place: Path, *arguments: object) -> Result:
    command = ["tag", str(place / "music"), "--model", str(place / "model"), *map(str, arguments)]
    return CliRunner().invoke(app, command)


def songs(place: Path) -> list[Path]:
    return [place / "music" / name / "song.flac" for name in ("one", "two")]


def test_numpy_and_jams_hold_what_was_said_and_who_said_it(place: Path) -> None:
    result = tag(place, "--export", place / "vectors.npz", "--jams", place / "jams", "--over-time")
    assert result.exit_code == 1, "one file is broken"
    tagger = earmark.load(place / "model")
    with np.load(place / "vectors.npz", allow_pickle=False) as arrays:
        assert arrays["sources"].tolist() == [str(path) for path in songs(place)]
        assert arrays["embeddings"].dtype == np.float32
        for row, path in enumerate(songs(place)):
            prediction = tagger.tag(path)
            np.testing.assert_array_equal(arrays["embeddings"][row], prediction.embedding)
            np.testing.assert_array_equal(arrays["probabilities"][row], prediction.probabilities)
            assert arrays["decoders"][row] == prediction.decoder
        assert arrays["labels"].tolist() == list(tagger.labels)
        assert (str(arrays["model"]), str(arrays["version"])) == ("random", earmark.__version__)
        assert str(arrays["head_hash"]) == tagger.card.head.hash
    written = sorted(path.name for path in (place / "jams").iterdir())
    assert written == ["song 2.jams", "song.jams"]
    record = json.loads((place / "jams" / "song 2.jams").read_text())
    assert record["sandbox"]["earmark"]["source"] == str(songs(place)[1])
    assert len(record["annotations"]) == 2


def test_parquet_holds_everything(place: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra export")
    tag(place, "--export", place / "tracks.parquet", "--over-time", "--json")
    rows = parquet.read_table(place / "tracks.parquet").to_pylist()
    assert [row["source"] for row in rows] == [str(path) for path in songs(place)]
    prediction = earmark.load(place / "model").tag(songs(place)[0])
    np.testing.assert_array_equal(np.array(rows[0]["embedding"], np.float32), prediction.embedding)
    np.testing.assert_array_equal(np.array(rows[0]["logits"], np.float32), prediction.logits)
    assert (rows[0]["decoder"], rows[0]["model"], rows[0]["version"]) == (
        prediction.decoder,
        "random",
        earmark.__version__,
    )
    assert len(rows[0]["over_time"]["probabilities"]) == len(rows[0]["over_time"]["seconds"]) >= 1


def test_other_endings_and_places_are_refused(place: Path) -> None:
    result = tag(place, "--export", place / "tracks.xlsx")
    assert result.exit_code == 2
    assert "expected a name that ends in .parquet or .npz" in " ".join(result.stderr.replace("│", " ").split())
    assert isinstance(tag(place, "--export", place / "absent" / "vectors.npz").exception, TagError)
