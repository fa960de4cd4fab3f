import pytest
from tagging.builders import make_bundle, write_random_bundle

import earmark
from earmark.errors import BundleError
from earmark.tagging.bundle import bundle as bundled
from earmark.tagging.tagger import load


@pytest.fixture
def models_folder(tmp_path, monkeypatch):
    """An installation whose folder of bundled models is this one."""
    monkeypatch.setattr(bundled.importlib.resources, "files", lambda package: tmp_path)
    return tmp_path / "models"


def test_none_bundled(models_folder):
    assert earmark.models() == []
    with pytest.raises(BundleError, match=r"earmark train recipes/demo.toml.*--model FOLDER"):
        load()
    models_folder.mkdir()
    (models_folder / "README.txt").write_text("models", encoding="utf-8")
    assert earmark.models() == []


def test_bundled_models_are_found_by_name(models_folder):
    write_random_bundle(models_folder / "small", seed=1)
    write_random_bundle(models_folder / "large", seed=2)
    assert earmark.models() == ["large", "small"]
    assert load().identity.head_hash == make_bundle(seed=2).card.head.hash
    assert load("small").identity.head_hash == make_bundle(seed=1).card.head.hash
    with pytest.raises(BundleError, match=r"No model 'medium': .* large, small bundled"):
        load("medium")
    with pytest.raises(BundleError, match="found large, small"):
        bundled.read_bundled("medium")


def test_a_folder_goes_before_a_name(models_folder, tmp_path, monkeypatch):
    write_random_bundle(models_folder / "mine", seed=1)
    monkeypatch.chdir(tmp_path)
    folder = write_random_bundle(tmp_path / "mine", seed=2)
    expected = make_bundle(seed=2).card.head.hash
    assert load(folder).identity.head_hash == load("mine").identity.head_hash == expected


def test_what_comes_with_earmark_loads():
    for name in earmark.models():
        assert load(name).labels
