import dataclasses
import tomllib
from pathlib import Path

import pytest
from tagging.builders import make_bundle, write_random_bundle
from typer.testing import CliRunner, Result

from earmark.cli import resources
from earmark.cli.main import app
from earmark.errors import RecipeError
from earmark.tagging.bundle import bundle as bundled
from earmark.tagging.bundle.bundle import seal, write_bundle
from earmark.tagging.bundle.card import TagCalibration, TagName

ROOT = Path(__file__).parents[2]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["recipes", *map(str, arguments)])


def test_every_recipe_of_the_repository_is_listed_with_what_it_is_for() -> None:
    lines = call().stdout.splitlines()
    named = [line.split("  ")[0].strip() for line in lines]
    there = (ROOT / "recipes").rglob("*.toml")
    assert sorted(named) == sorted(path.relative_to(ROOT / "recipes").with_suffix("").as_posix() for path in there)
    assert named.index("emotify-genre") < named.index("bundled/perturbed"), "those of no folder come first"
    assert all(len(line.split("  ", 1)[1].strip()) > 20 for line in lines), "each says what it is for"


@pytest.mark.parametrize("name", ["paper/table-2-mtat", "paper/table-2-mtat.toml", "recipes/paper/table-2-mtat.toml"])
def test_one_is_printed_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(name).stdout == (ROOT / "recipes" / "paper" / "table-2-mtat.toml").read_text()


def test_a_file_that_is_there_goes_before_the_one_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").write_text("name = 'mine'")
    assert call("demo").stdout == "name = 'mine'"


def test_an_unknown_one_is_told_with_where_the_names_are() -> None:
    failed = call("paper/table-9").exception
    assert isinstance(failed, RecipeError)
    assert "paper/table-9 does not exist" in str(failed) and "`earmark recipes`" in str(failed)


def test_what_is_copied_lies_as_in_the_repository(tmp_path: Path) -> None:
    result = call("--copy", tmp_path / "all")
    named = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "recipes").rglob("*.toml"))
    for folder in ("recipes", "vocabularies"):
        there = {path.relative_to(ROOT): path.read_bytes() for path in (ROOT / folder).rglob("*") if path.is_file()}
        # A vocabulary that no recipe names yet is a draft.
        there = {path: text for path, text in there.items() if folder == "recipes" or path.as_posix() in named}
        copied = {
            path.relative_to(tmp_path / "all"): path.read_bytes()
            for path in (tmp_path / "all" / folder).rglob("*")
            if path.is_file()
        }
        assert copied == there
    assert str(tmp_path / "all" / "vocabularies" / "earmark-1.toml") in result.stdout.splitlines()


def test_one_is_copied_with_the_vocabulary_that_it_names(tmp_path: Path) -> None:
    call("bundled", "--copy", tmp_path)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.toml"))
    assert files == ["recipes/bundled.toml", "vocabularies/earmark-1.toml"]
    recipe = tomllib.loads((tmp_path / files[0]).read_text())
    assert (tmp_path / recipe["data"]["options"]["vocabulary"]).is_file(), "found by a command that runs there"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "vocabularies" / "earmark-1.toml"
    mine.parent.mkdir()
    mine.write_text("mine")
    failed = call("--copy", tmp_path).exception
    assert isinstance(failed, RecipeError) and str(mine) in str(failed)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine], "and nothing is half copied"
    assert mine.read_text() == "mine"
    (tmp_path / "file").write_text("")
    assert isinstance(call("demo", "--copy", tmp_path / "file" / "below").exception, RecipeError)


def test_an_installation_without_them_says_where_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "_folder", lambda name: tmp_path / name)
    result = call()
    assert result.stdout == ""
    assert "the repository has them" in result.stderr


def test_training_takes_a_name_where_there_is_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning", reason="needs the extra train")
    monkeypatch.chdir(tmp_path)
    # Its data is not here, which is told of the recipe that was found.
    failed = CliRunner().invoke(app, ["train", "paper/table-2-mtat"]).exception
    assert "magnatagatune" in str(failed)
    failed = CliRunner().invoke(app, ["train", "paper/table-9"]).exception
    assert isinstance(failed, RecipeError)


def test_bundled_models_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_random_bundle(tmp_path / "small", tags=3)
    write_random_bundle(tmp_path / "large", tags=7)
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    assert result.stdout == "large\t7 tags\tscales 18+27+54\tCC0-1.0\nsmall\t3 tags\tscales 18+27+54\tCC0-1.0\n"
    assert result.stderr == ""


def test_where_none_is_bundled_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "This installation includes no model. Train one with: earmark train" in result.stderr


def test_tags_are_listed_with_their_relations_and_by_whose_word_they_are_judged(tmp_path: Path) -> None:
    made = make_bundle(tags=3)
    tags = (
        TagName("vocals", "voices", synonyms=("singing", "voice")),
        TagName("opera", "voices", parents=("vocals",)),
        TagName("instrumental", "voices", opposites=("vocals",)),
    )
    calibration = (
        TagCalibration("vocals", 1.0, 0.0, {"0.9": 0.8, "0.7": 0.6}, "listeners", 145),
        TagCalibration("opera", 1.0, 0.0, {}, "teachers", 804),
        TagCalibration("instrumental", 1.0, 0.0, {}),
    )
    write_bundle(seal(dataclasses.replace(made.card, tags=tags, calibration=calibration), made.weights), tmp_path)
    result = CliRunner().invoke(app, ["models", str(tmp_path), "--tags"])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "tag\tgroup\tsynonyms\timplies\texcludes\tjudged by\tpromised at",
        "vocals\tvoices\tsinging, voice\t\t\tpeople who listened, 145 tracks\t0.7 0.9",
        "opera\tvoices\t\tvocals\t\tother taggers, 804 tracks\t",
        "instrumental\tvoices\t\t\tvocals\t\t",
    ]
    write_bundle(made, tmp_path / "plain")
    assert (
        "tag 1\tgroup of tests\t\t\t\t\t\n"
        in CliRunner().invoke(app, ["models", str(tmp_path / "plain"), "--tags"]).stdout
    )
    assert CliRunner().invoke(app, ["models", str(tmp_path / "absent")]).exit_code != 0
