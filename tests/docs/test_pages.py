"""The pages: links that lead somewhere, settings that are read, and nothing that belongs to one machine."""

import re
from pathlib import Path

import pytest
from docs.fences import PAGES, ROOT, fences
from typer.testing import CliRunner

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.cli.main import app
from earmark.library.mapping import read_mapping
from earmark.training.recipe.recipe import parse_recipe

PARTS = ("tutorial", "how-to", "reference", "explanation")
OUTSIDE = {"index.md", "RESULTS.md", "LOG.md", "model-card.md", "model-card-free.md"}
"""Pages that lie beside the four parts."""
TABLES = "results"
"""The folder of the complete tables, which RESULTS.md sums up."""
SUMMARY_LINES = 200
TEXTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile")),
    *(path for folder in ("src", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))),
    *(path for folder in ("recipes", "vocabularies") for path in sorted((ROOT / folder).rglob("*.toml"))),
]


def test_the_pages_are_in_four_parts() -> None:
    docs = ROOT / "docs"
    there = {path.name for path in docs.glob("*.md")}
    assert there == OUTSIDE, "a page belongs into one of the four parts"
    for part in PARTS:
        assert (docs / part / "index.md").exists()
        assert len(list((docs / part).rglob("*.md"))) > 3
    folders = {path.relative_to(docs).parts[0] for path in docs.rglob("*.md") if path.parent != docs}
    assert folders == {*PARTS, TABLES}


def test_the_results_are_summed_up_on_one_short_page() -> None:
    summary = (ROOT / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    assert len(summary.splitlines()) <= SUMMARY_LINES
    for page in (ROOT / "docs" / TABLES).glob("*.md"):
        assert f"]({TABLES}/{page.name}" in summary, f"RESULTS.md does not link {page.name}"


def test_figures_are_of_clean_commits() -> None:
    """A figure can be measured again only if its code is in the repository."""
    records = sorted((ROOT / "benchmarks" / "results").iterdir())
    assert records
    for file in (*PAGES, *records):
        found = re.search(r"\b[0-9a-f]{7,}-dirty\b", file.name + file.read_text(encoding="utf-8"))
        assert found is None, f"{file.relative_to(ROOT)} has figures of {found[0]}, which is no commit"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if not re.match(r"[a-z]+:", target) and file:
            assert (page.parent / file).exists(), f"{target} leads nowhere"
            if anchor and file.endswith(".md"):
                assert anchor in anchors(page.parent / file), f"{target}: there is no such heading"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_pages_that_the_code_names_are_there() -> None:
    for file in TEXTS:
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|py)\b", file.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{file.relative_to(ROOT)} names {name}, which is not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_recipes_and_mappings_are_read_as_they_stand(page: Path, tmp_path: Path) -> None:
    for fence in fences(page):
        if fence.language != "toml":
            continue
        if re.search(r"^name = ", fence.text, re.MULTILINE):
            parse_recipe(fence.text, fence.place)
        elif "[serve]" in fence.text:
            (tmp_path / "earmark.toml").write_text(fence.text, encoding="utf-8")
            assert CliRunner().invoke(app, ["--config", str(tmp_path / "earmark.toml"), "config"]).exit_code == 0
        elif page.name == "writing-tags.md":
            (tmp_path / "words.toml").write_text(fence.text, encoding="utf-8")
            read_mapping(tmp_path / "words.toml")
        else:
            # A part of a recipe, with what every recipe needs where the part has not got it.
            data = '[data]\ndataset = "table"\nroot = "my.csv"\nsplits = ["default"]\n'
            rest = "" if "[data]" in fence.text else data
            parse_recipe(f'name = "part"\n{rest}{fence.text}', fence.place)
