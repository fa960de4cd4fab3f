"""Many files tagged in order, here and in worker processes: predictions, errors, progress, and reading ahead."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tagging.builders import write_random_bundle
from training.sounds import write_noise

import earmark
from earmark.errors import BatchError, DecodeError, EarmarkError, InstallationError, TagError
from earmark.tagging import batch
from earmark.tagging import tagger as tagger_module


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> earmark.Tagger:
    folder = tmp_path_factory.mktemp("model")
    write_random_bundle(folder)
    return earmark.load(folder)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five sounds, the second of which is broken and the third absent."""
    folder = tmp_path_factory.mktemp("music")
    found = [folder / f"{number}.flac" for number in range(5)]
    for number in (0, 3, 4):
        write_noise(found[number], number)
    found[1].write_bytes(b"no sound at all" * 100)
    return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_files_come_in_order_and_failures_are_told_in_theirs(
    tagger: earmark.Tagger, paths: list[Path], jobs: int
) -> None:
    told: list[EarmarkError | int] = []
    found = list(tagger.tag_many(map(str, paths), jobs=jobs, on_error=told.append, progress=told.append))
    assert [each.source for each in found] == [str(paths[number]) for number in (0, 3, 4)]
    for each in found:
        np.testing.assert_array_equal(each.logits, tagger.tag(each.source).logits)
    kinds = [each if isinstance(each, int) else type(each) for each in told]
    assert kinds == [1, DecodeError, 2, DecodeError, 3, 4, 5]
    assert [each.source for each in told if isinstance(each, DecodeError)] == [str(paths[1]), str(paths[2])]


def test_errors_that_nobody_takes_are_raised_after_the_last_file(tagger: earmark.Tagger, paths: list[Path]) -> None:
    found = []
    with pytest.raises(BatchError, match="2 of 5 files could not be tagged") as raised:
        found += [each.source for each in _until_error(tagger.tag_many(paths, jobs=1))]
    assert len(raised.value.errors) == 2
    assert str(paths[1]) in str(raised.value)
    assert next(tagger.tag_many(paths[3:], jobs=1)).source == str(paths[3])
    assert list(tagger.tag_many([], jobs=2)) == []


def _until_error(predictions: Iterator[earmark.Prediction]) -> Iterator[earmark.Prediction]:
    for expected in ("0.flac", "3.flac", "4.flac"):
        found = next(predictions)
        assert Path(found.source).name == expected
        yield found
    yield next(predictions)


def test_paths_are_read_while_files_are_tagged(
    tagger: earmark.Tagger, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory depends on the processes, not on the files: a million paths may come from a generator."""
    monkeypatch.setattr(batch, "FILES_AHEAD", 2)
    read: list[int] = []

    def endless() -> Iterator[Path]:
        while True:
            read.append(0)
            yield paths[0]

    for jobs, ahead in ((1, 1), (2, 4)):
        read.clear()
        predictions = tagger.tag_many(endless(), jobs=jobs)
        for taken in range(1, 4):
            next(predictions)
            assert len(read) <= taken - 1 + ahead
        predictions.close()  # type: ignore[attr-defined]


def test_evidence_and_windows_come_from_processes_without_the_model(tagger: earmark.Tagger, paths: list[Path]) -> None:
    windows = earmark.OverTimeSettings(5.0, 2.5)
    [found] = tagger.tag_many(paths[:1], jobs=2, keep_features=True, over_time=windows)
    alone = tagger.tag(paths[0], keep_features=True, over_time=windows)
    assert found.evidence("tag 1").to_dict() == alone.evidence("tag 1").to_dict()
    assert found.explainer is tagger.explainer
    assert found.over_time is not None and alone.over_time is not None
    np.testing.assert_array_equal(found.over_time.scores, alone.over_time.scores)


def test_a_library_that_cannot_be_loaded_ends_the_batch(
    tagger: earmark.Tagger, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unloadable(*arguments: object, **options: object) -> None:
        raise ImportError("libx.so: failed to map segment from shared object")

    monkeypatch.setattr(tagger_module, "decode", unloadable)
    with pytest.raises(InstallationError):
        list(tagger.tag_many(paths, jobs=1, on_error=lambda error: None))


def test_wrong_questions_are_errors_at_once(tagger: earmark.Tagger, paths: list[Path]) -> None:
    with pytest.raises(TagError, match="jobs = 0"):
        tagger.tag_many(paths, jobs=0)
    with pytest.raises(TagError, match="longest segment"):
        tagger.tag_many(paths, over_time=earmark.OverTimeSettings(0.1, 0.1))


@pytest.mark.parametrize("engine", ["numpy", "onnx"])
def test_a_tagger_can_be_pickled(tmp_path: Path, engine: str) -> None:
    pytest.importorskip("onnxruntime" if engine == "onnx" else "numpy", reason="needs the extra onnx")
    write_random_bundle(tmp_path)
    tagger = earmark.load(tmp_path, engine)  # type: ignore[arg-type]
    noise = (np.random.default_rng(0).normal(size=22_050).astype(np.float32), 22_050.0)
    copy = pickle.loads(pickle.dumps(tagger))
    assert copy.identity == tagger.identity
    np.testing.assert_array_equal(copy.tag(noise).logits, tagger.tag(noise).logits)
