import json
import tomllib
from pathlib import Path

import pytest
from library.songs import heard
from tagging.builders import write_random_bundle
from typer.testing import CliRunner, Result

from earmark.audio import decoders
from earmark.cli import doctor
from earmark.cli.main import app


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def findings(*arguments: object) -> tuple[dict[str, list[dict[str, str]]], int]:
    result = call("--json", *arguments)
    by_name: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(result.stdout):
        by_name.setdefault(finding["what"], []).append(finding)
    return by_name, result.exit_code


def test_all_is_well_where_it_is(tmp_path: Path) -> None:
    model = write_random_bundle(tmp_path / "model")
    heard(tmp_path / "music.earmark", []).close()
    found, code = findings("--model", model, "--library", tmp_path / "music.earmark")
    assert code == 0
    assert set(found) == {"earmark", "decoder", "model", "cores", "library", "space", "extra"}
    assert {each["state"] for each in found["decoder"]} == {"ok"}
    assert "5 tags, not calibrated" in found["model"][0]["found"]
    assert "0 recordings" in found["library"][0]["found"]
    assert [each["found"].split(":")[0] for each in found["extra"]] == list(doctor.EXTRAS)
    assert all(each["do"] for each in found["extra"] if each["state"] == "note"), "it says what to do"


def test_what_is_wrong_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "broken.earmark").write_bytes(b"no library" * 1000)
    result = call("--model", tmp_path / "absent", "--library", tmp_path / "broken.earmark")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    wrong = [number for number, line in enumerate(lines) if line.startswith("wrong")]
    assert len(wrong) == 2
    for number in wrong:
        assert lines[number + 1].lstrip().startswith("-> "), lines[number]
    found, code = findings("--library", tmp_path / "absent.earmark")
    assert (found["library"][0]["state"], code) == ("wrong", 1), "it was named"


def test_a_library_that_nobody_named_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    model = write_random_bundle(tmp_path / "model")
    found, code = findings("--model", model)
    assert (found["library"][0]["state"], code) == ("note", 0)
    assert "earmark library add" in found["library"][0]["do"]
    assert found["cores"][0]["state"] == "note"


def test_a_decoder_that_lacks_a_codec_and_a_full_disk_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_random_bundle(tmp_path / "model")
    heard(tmp_path / "music.earmark", []).close()
    monkeypatch.setattr(decoders, "NEEDED_CODECS", ("mp3", "no such codec"))
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 1e18)
    found, code = findings("--model", model, "--library", tmp_path / "music.earmark")
    assert code == 1
    assert any("it lacks no such codec" in each["found"] for each in found["decoder"])
    assert found["space"][0]["state"] == "wrong"


def test_the_extras_are_those_of_the_package() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    declared = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
    assert set(doctor.EXTRAS) == set(declared) - {"all", "dev", "docs", "fast"}
    for extra, packages in doctor.EXTRAS.items():
        names = {line.split(">")[0].split("=")[0].strip() for line in declared[extra]}
        assert {package for package, _ in packages} <= names
