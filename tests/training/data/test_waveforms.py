import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")

from earmark.audio.decode import decode
from earmark.errors import DecodeError, TrainingError
from earmark.training.data import waveforms as waveforms_module
from earmark.training.data.clips import Clips
from earmark.training.data.waveforms import Waveforms, as_float32, as_int16, decode_clip
from training.builders import make_clips
from training.sounds import RATE_HZ, write_noise

FRAMES = (10, 25, 10, 14, 3)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five files; the third clip is the second one of the first file."""
    folder = tmp_path_factory.mktemp("sounds")
    files = [write_noise(folder / f"{seed}.flac", seed, 25 * 512) for seed in range(4)]
    return [files[0], files[1], files[0], files[2], files[3]]


@pytest.fixture
def clips() -> Clips:
    made = make_clips(FRAMES)
    return dataclasses.replace(made, start_seconds=np.array([0, 0, 10 * 512 / RATE_HZ, 0, 0]))


def whole(path: Path) -> np.ndarray:
    with decode(path, RATE_HZ) as sound:
        return np.concatenate(list(sound))


def test_a_clip_reaches_from_its_first_frames_middle_to_its_lasts(paths: list[Path], clips: Clips) -> None:
    found = list(Waveforms(paths, clips.rows, clips.start_seconds).stream([0, 1, 2, 3, 4]))
    for clip, (samples, frames) in enumerate(zip(found, FRAMES, strict=True)):
        start = 10 * 512 if clip == 2 else 0
        assert samples.dtype == np.int16
        expected = whole(paths[clip])[start : start + (frames - 1) * 512]
        np.testing.assert_allclose(as_float32(samples), expected, rtol=0, atol=0.5 / 32_768 + 1e-9)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("memory_bytes", [0, 40_000, 1 << 30])
@pytest.mark.parametrize("ahead", [1, 1 << 28])
def test_clips_come_in_order_whatever_the_workers_and_the_memory(
    paths: list[Path], clips: Clips, processes: int, memory_bytes: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if processes == 2 and (ahead, memory_bytes) != (1 << 28, 40_000):
        pytest.skip("one start of processes is enough")
    monkeypatch.setattr(waveforms_module, "AHEAD_SAMPLES", ahead)
    order = [3, 0, 4, 2, 1, 0]
    sound = Waveforms(paths, clips.rows, clips.start_seconds, processes, memory_bytes)
    for _ in range(2):
        found = list(sound.stream(order))
        assert len(found) == len(order)
        for clip, samples in zip(order, found, strict=True):
            expected = decode_clip(paths[clip], 5120 if clip == 2 else 0, (FRAMES[clip] - 1) * 512, RATE_HZ)
            np.testing.assert_array_equal(samples, expected)


def test_what_fits_into_the_memory_is_decoded_once(
    paths: list[Path], clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = np.cumsum([2 * (frames - 1) * 512 for frames in FRAMES])
    sound = Waveforms(paths, clips.rows, clips.start_seconds, 1, int(sizes[2]))
    decoded: list[tuple[Path, int]] = []

    def count(path: Path, first: int, samples: int, rate_hz: int) -> np.ndarray:
        decoded.append((path, first))
        return decode_clip(path, first, samples, rate_hz)

    monkeypatch.setattr(waveforms_module, "decode_clip", count)
    list(sound.stream([0, 1, 2, 3, 4]))
    assert len(decoded) == 5
    decoded.clear()
    list(sound.stream([4, 2, 1, 3, 0]))
    assert sorted(decoded) == sorted([(paths[3], 0), (paths[4], 0)])


def test_no_more_is_decoded_ahead_than_is_said(
    paths: list[Path], clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waveforms_module, "AHEAD_SAMPLES", 24 * 512 + 1)
    submitted: list[int] = []

    class Immediate:
        def submit(self, function, *arguments):  # type: ignore[no-untyped-def]
            from concurrent.futures import Future

            future: Future[np.ndarray] = Future()
            submitted.append(arguments[2])
            future.set_result(function(*arguments))
            return future

        def shutdown(self, cancel_futures: bool) -> None:
            pass

    monkeypatch.setattr(waveforms_module, "_executor", lambda processes: Immediate())
    stream = Waveforms(paths, clips.rows, clips.start_seconds, 1, 0).stream([1, 0, 2, 3, 4])
    next(stream)
    assert submitted == [24 * 512, 9 * 512]
    list(stream)
    assert len(submitted) == 5


def test_an_abandoned_stream_ends_its_workers(paths: list[Path], clips: Clips) -> None:
    stream = Waveforms(paths, clips.rows, clips.start_seconds, 1, 0).stream([0, 1, 2, 3, 4])
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(stream)


def test_a_file_that_shrank_is_refused(paths: list[Path]) -> None:
    with pytest.raises(TrainingError, match=r"0\.flac has 12800 samples at 22050 Hz; expected at least 12801"):
        decode_clip(paths[0], 1, 12_800, RATE_HZ)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_file_that_broke_is_named(paths: list[Path], clips: Clips, tmp_path: Path, processes: int) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound at all" * 100)
    sound = Waveforms([*paths[:4], broken], clips.rows, clips.start_seconds, processes, 0)
    with pytest.raises(DecodeError, match=r"broken\.mp3"):
        list(sound.stream([0, 4]))


def test_beyond_full_scale_is_cut_off() -> None:
    samples = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0], np.float32)
    assert as_int16(samples).tolist() == [-32_768, -32_768, 0, 16_384, 32_767, 32_767]


def test_a_clip_of_one_frame_has_a_sample(paths: list[Path]) -> None:
    clips = make_clips([1])
    assert Waveforms(paths[:1], clips.rows, clips.start_seconds).samples.tolist() == [1]
