"""The published taggers that music is scored with: their scores are those of the authors' code; files of scores."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError

torch = pytest.importorskip("torch", reason="needs the extra train")
PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "teacher" / "weights"
TORCH = (
    "mtat-musicnn",
    "jamendo-fcn",
    "jamendo-crnn",
    "jamendo-musicnn",
    "mtat-fcn",
    "mtat-crnn",
    "msd-fcn",
    "msd-crnn",
)


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """benchmarks/peers/teachers.py and score_tracks.py, which are no part of the package."""
    monkeypatch.syspath_prepend(str(PEERS))
    yield importlib.import_module("teachers"), importlib.import_module("score_tracks")
    torch.set_flush_denormal(False)  # the teachers set it, and other tests need denormal numbers


@pytest.fixture
def weights() -> Path:
    if not WEIGHTS.is_dir():
        pytest.skip("needs the weights of ../shared/data/teacher/weights")
    return WEIGHTS


def windows_of(samples: np.ndarray, length: int) -> np.ndarray:
    count = len(samples) // length
    return samples[: count * length].astype(np.float32).reshape(count, length)


@pytest.mark.data
@pytest.mark.parametrize("name", [*TORCH, "yamnet"])
def test_scores_are_those_of_the_authors(peers: tuple[ModuleType, ModuleType], weights: Path, name: str) -> None:
    if name == "yamnet":
        pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")
    teacher = peers[0].load_teacher(name, weights)
    with np.load(weights / "reference.npz") as reference:
        tracks = sorted({key.partition("/")[0] for key in reference.files})
        assert tracks
        for track in tracks:
            windows = windows_of(reference[f"{track}/samples-16k"], teacher.window_samples)
            scores, _ = teacher.hear(windows)
            assert scores.shape == (len(windows), len(teacher.labels))
            np.testing.assert_allclose(scores, reference[f"{track}/{name}"], atol=1e-4)


@pytest.mark.data
@pytest.mark.parametrize("name", ["musicnn-mtat", "musicnn-msd"])
def test_scores_are_those_of_the_package_musicnn(peers: tuple[ModuleType, ModuleType], name: str) -> None:
    extractor = pytest.importorskip("musicnn.extractor", reason="needs the package musicnn").extractor
    teacher = peers[0].load_teacher(name, WEIGHTS)
    file = next(iter(sorted((WEIGHTS.parents[1] / "emotify" / "audio").iterdir())))
    expected, labels = extractor(str(file), model=f"{'MTT' if name == 'musicnn-mtat' else 'MSD'}_musicnn")[:2]
    with decode(file, teacher.rate_hz) as sound:
        # The package's first frame is centred on the first sample.
        samples = np.concatenate([np.zeros(256, np.float32), *sound])
    starts = range(0, len(samples) - teacher.window_samples, 187 * 256)
    scores, _ = teacher.hear(np.stack([samples[start : start + teacher.window_samples] for start in starts]))
    assert list(teacher.labels) == labels
    # The package rounds mel bands to half precision.
    np.testing.assert_allclose(scores[: len(expected)], expected[: len(scores)], atol=1e-3)


@pytest.mark.data
def test_moods_of_silence_and_of_loud_noise_differ(peers: tuple[ModuleType, ModuleType], weights: Path) -> None:
    """No reference holds scores of this network: its shape, its range, and that it hears."""
    teacher = peers[0].load_teacher("jamendo-moods", weights)
    noise = np.random.default_rng(0).normal(0, 0.2, (2, teacher.window_samples)).astype(np.float32)
    noise[1] = 0
    scores, hidden = teacher.hear(noise)
    assert scores.shape == (2, 56)
    assert hidden.shape == (2, 64)
    assert ((scores > 0) & (scores < 1)).all()
    assert np.abs(scores[0] - scores[1]).max() > 0.01
    assert teacher.window_seconds == pytest.approx(29.1, abs=0.1)


def test_a_teacher_that_is_not_there_is_refused(peers: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no teacher 'mtat'"):
        peers[0].load_teacher("mtat", tmp_path)
    with pytest.raises(DatasetError, match=r"There is no .*mtat-fcn"):
        peers[0].load_teacher("mtat-fcn", tmp_path)


def deaf(peers: tuple[ModuleType, ModuleType], seconds: float, calls: list[int]):  # type: ignore[no-untyped-def]
    """A teacher of two tags that scores a window by its first sample."""

    def hear(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(len(windows))
        first = np.abs(windows[:, :1])
        return np.concatenate([first, 1 - first], axis=1), first

    return peers[0].Teacher("deaf", ("one", "two"), 1_000, round(1_000 * seconds), hear)


@pytest.mark.parametrize(
    ("window_seconds", "track_seconds", "starts"),
    [
        (3.0, 2.0, [0.0]),
        (3.0, 10.0, [0.0, 3.0, 6.0]),
        (29.0, 12.0, [0.0]),
        (29.0, 29.0, [0.0]),
        (29.0, 45.0, [0.0, 16.0]),
        (29.0, 60.0, [0.0, 15.5, 31.0]),
    ],
)
def test_windows_cover_a_track(
    peers: tuple[ModuleType, ModuleType], window_seconds: float, track_seconds: float, starts: list[float]
) -> None:
    teacher = deaf(peers, window_seconds, [])
    found = peers[1].window_starts(round(track_seconds * 1_000), teacher)
    assert [start / 1_000 for start in found] == starts


def test_scoring_goes_on_where_it_was(peers: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    files = [tmp_path / "audio" / f"{name}.flac" for name in "abc"]
    files[0].parent.mkdir()
    for number, file in enumerate(files):
        write_flac(file, np.full(7_500, 0.1 * (number + 1), np.float32), 1_000)
    files[1].write_bytes(b"no sound")
    calls: list[int] = []
    teacher = deaf(peers, 3.0, calls)
    failed = peers[1].score(teacher, files[:2], tmp_path / "out", 4)
    assert failed == [str(files[1])]
    assert peers[1].score(teacher, files, tmp_path / "out", 4) == failed
    assert calls == [2, 2]
    peers[1].pack("deaf", tmp_path / "out")
    with np.load(tmp_path / "out" / "deaf.npz") as packed:
        assert set(packed.files) == {"labels", "window_seconds", "a", "a/starts", "c", "c/starts"}
        assert packed["labels"].tolist() == ["one", "two"]
        assert packed["c"].shape == (2, 2)
        assert packed["c/starts"].tolist() == [0.0, 3.0]
    assert json.loads((tmp_path / "out" / "deaf" / "labels.json").read_text())["window_seconds"] == 3.0


def test_a_run_that_is_killed_leaves_no_half_of_a_file(
    peers: tuple[ModuleType, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.flac"
    write_flac(file, np.full(7_500, 0.1, np.float32), 1_000)
    teacher = deaf(peers, 3.0, [])

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            peers[1].score(teacher, [file], tmp_path / "out", 4)
    assert not list((tmp_path / "out").rglob("*.npz"))
    assert peers[1].score(teacher, [file], tmp_path / "out", 4) == []
    assert (tmp_path / "out" / "deaf" / "a.npz").is_file()


def test_two_files_of_one_name_are_refused(peers: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.flac").write_bytes(b"")
    with pytest.raises(SystemExit, match="'a'"):
        peers[1].sound_files([tmp_path / "one", tmp_path / "two"])
    assert len(peers[1].sound_files([tmp_path / "one"])) == 1
    with pytest.raises(SystemExit, match=r"no .*three"):
        peers[1].sound_files([tmp_path / "three"])
