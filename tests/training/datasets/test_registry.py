"""Datasets by name: unknown names and options are refused with the nearest known one."""

from pathlib import Path
from typing import Any

import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.registry import DATASETS, check_dataset, load_dataset


def test_options_are_those_of_the_loader() -> None:
    assert DATASETS["emotify"].options == ("target",)
    assert DATASETS["rendered"].options == ("tracks", "seed", "seconds")
    assert "split_file" in DATASETS["table"].options


def test_an_unknown_dataset_is_refused(tmp_path: Any) -> None:
    with pytest.raises(DatasetError, match=r"no dataset 'emotifi'.*Did you mean 'emotify'\?"):
        load_dataset("emotifi", tmp_path, {})
    with pytest.raises(DatasetError, match="no dataset"):
        check_dataset("nothing", tmp_path)


def test_an_unknown_option_is_refused(emotify: Any) -> None:
    with pytest.raises(DatasetError, match=r"no option 'targets'.*Did you mean 'target'\?"):
        load_dataset("emotify", emotify.root, {"targets": "genre"})
    with pytest.raises(DatasetError, match="no option 'root'"):
        load_dataset("emotify", emotify.root, {"root": "."})


def test_every_dataset_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "datasets.md").read_text(encoding="utf-8")
    words = " ".join(text.split())
    for name, entry in DATASETS.items():
        assert f"`{name}`" in text and entry.layout in text, name
        assert [option for option in entry.options if f"`{option}`" not in words] == [], name
