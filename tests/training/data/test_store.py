import json
from pathlib import Path

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.audio.logmel import LogMelSettings, log_mel
from earmark.errors import StoreError
from earmark.training.data import store as store_module
from earmark.training.data.store import FrameStore
from training.sounds import write_noise


@pytest.fixture
def sounds(tmp_path: Path) -> list[Path]:
    """Four files of different lengths."""
    return [write_noise(tmp_path / "music" / f"{index}.flac", index, 9_000 + 3_000 * index) for index in range(4)]


def files_of(store: FrameStore) -> dict[str, bytes]:
    return {name: (store.folder / name).read_bytes() for name in ("frames.f16", "tracks.jsonl")}


def refuse_to_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, settings: LogMelSettings) -> None:
        pytest.fail(f"decoded {path}")

    monkeypatch.setattr(store_module, "prepare_track", refuse)


def test_frames_are_the_log_mel_of_the_file(tmp_path: Path, sounds: list[Path]) -> None:
    store = FrameStore(tmp_path / "store")
    assert store.prepare(sounds) == {}
    frames = store.frames()
    assert frames.dtype == np.float16
    assert frames.shape == (store.rows, 128)
    row = 0
    for path in sounds:
        with decode(path, 22_050) as sound:
            expected = log_mel(np.concatenate(list(sound)))
        track = store.track(path)
        assert (track.first_row, track.rows, track.truncated) == (row, len(expected), False)
        assert track.decoder.startswith(("libsndfile", "PyAV"))
        np.testing.assert_allclose(frames[row : row + track.rows], expected, atol=1e-3, rtol=0)
        row += track.rows
    assert row == store.rows


@pytest.mark.parametrize("damage", ["frames", "line", "both"])
def test_a_store_cut_in_the_middle_of_a_track_goes_on(tmp_path: Path, sounds: list[Path], damage: str) -> None:
    whole = FrameStore(tmp_path / "whole")
    whole.prepare(sounds)
    half = FrameStore(tmp_path / "half")
    half.prepare(sounds[:2])
    rows = half.rows
    if damage in ("frames", "both"):
        with (half.folder / "frames.f16").open("ab") as file:
            file.write(b"\x01" * 1001)
    if damage in ("line", "both"):
        with (half.folder / "tracks.jsonl").open("a") as file:
            file.write('{"content": "ab')
    again = FrameStore(tmp_path / "half")
    assert again.rows == rows
    assert again.prepare(sounds[:1]) == {}
    assert (again.folder / "frames.f16").stat().st_size == rows * 128 * 2
    assert again.prepare(sounds) == {}
    assert files_of(again) == files_of(whole)


def test_a_track_whose_line_was_lost_is_decoded_again(tmp_path: Path, sounds: list[Path]) -> None:
    whole = FrameStore(tmp_path / "whole")
    whole.prepare(sounds)
    expected = files_of(whole)
    lines = expected["tracks.jsonl"].splitlines(keepends=True)
    (whole.folder / "tracks.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    again = FrameStore(tmp_path / "whole")
    assert again.prepare(sounds) == {}
    assert files_of(again) == expected


def test_an_interruption_loses_only_the_track_at_hand(
    tmp_path: Path, sounds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []
    real = store_module.prepare_track

    def interrupt(path: Path, settings: LogMelSettings, keep_frames: bool) -> store_module.PreparedTrack:
        if len(decoded) == 2:
            raise KeyboardInterrupt
        decoded.append(path)
        return real(path, settings, keep_frames)

    monkeypatch.setattr(store_module, "prepare_track", interrupt)
    with pytest.raises(KeyboardInterrupt):
        FrameStore(tmp_path / "store").prepare(sounds)
    decoded.clear()
    again = FrameStore(tmp_path / "store")
    assert again.prepare(sounds[:3]) == {}
    assert decoded == [sounds[2]]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_renamed_or_copied_file_is_not_decoded_again(
    tmp_path: Path, sounds: list[Path], monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    store = FrameStore(tmp_path / "store")
    store.prepare(sounds)
    before, expected = files_of(store), [store.track(path) for path in sounds]
    renamed = sounds[0].rename(sounds[0].with_name("renamed.flac"))
    copied = tmp_path / "copy.flac"
    copied.write_bytes(sounds[1].read_bytes())
    refuse_to_decode(monkeypatch)
    for again in (store, FrameStore(tmp_path / "store")):
        assert again.prepare([renamed, copied, *sounds[1:]], processes) == {}
        assert [again.track(path) for path in (renamed, copied)] == expected[:2]
        assert files_of(again) == before


def test_what_is_in_the_store_is_not_even_read_again(
    tmp_path: Path, sounds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    FrameStore(tmp_path / "store").prepare(sounds)
    refuse_to_decode(monkeypatch)
    monkeypatch.setattr(store_module, "_content_of", lambda path: pytest.fail(f"read {path}"))
    assert FrameStore(tmp_path / "store").prepare(sounds) == {}


def test_a_changed_file_is_decoded_again(tmp_path: Path, sounds: list[Path]) -> None:
    store = FrameStore(tmp_path / "store")
    store.prepare(sounds)
    before = store.track(sounds[1])
    write_noise(sounds[1], seed=9, samples=15_000)
    with pytest.raises(StoreError, match="prepare it first"):
        store.track(sounds[1])
    assert store.prepare(sounds) == {}
    after = store.track(sounds[1])
    assert (after.content != before.content, after.rows) == (True, 1 + 15_000 // 512)
    assert after.first_row == store.rows - after.rows


def test_files_that_fail_are_told_and_the_others_kept(tmp_path: Path, sounds: list[Path]) -> None:
    broken, absent = tmp_path / "broken.mp3", tmp_path / "absent.flac"
    broken.write_bytes(b"no sound at all" * 100)
    store = FrameStore(tmp_path / "store")
    failures = store.prepare([broken, sounds[0], absent, sounds[1]])
    assert set(failures) == {broken, absent}
    assert "broken.mp3" in failures[broken]
    assert failures[absent] == f"{absent} is not a file."
    assert store.track(sounds[1]).first_row == store.track(sounds[0]).rows
    with pytest.raises(StoreError, match=r"broken\.mp3 is not in the store"):
        store.track(broken)


def test_processes_write_the_same_bytes(tmp_path: Path, sounds: list[Path]) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound at all" * 100)
    paths = [sounds[2], broken, *sounds, sounds[0]]
    stores = [FrameStore(tmp_path / f"store {processes}") for processes in (1, 2)]
    failures = [store.prepare(paths, processes) for store, processes in zip(stores, (1, 2), strict=True)]
    assert failures[0] == failures[1]
    assert files_of(stores[0]) == files_of(stores[1])
    assert len(stores[0].folder.joinpath("tracks.jsonl").read_text().splitlines()) == 4


def test_a_frames_file_that_is_too_short_is_refused(tmp_path: Path, sounds: list[Path]) -> None:
    store = FrameStore(tmp_path / "store")
    store.prepare(sounds)
    with (store.folder / "frames.f16").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(StoreError, match=r"holds 100 bytes, but its index promises \d+\. Remove the folder"):
        FrameStore(tmp_path / "store")


@pytest.mark.parametrize("line", ["no json\n", '{"content": "ab", "another": 1}\n', "{}\n", "[1]\n"])
@pytest.mark.parametrize("name", ["tracks.jsonl", "files.jsonl"])
def test_a_foreign_index_is_refused(tmp_path: Path, sounds: list[Path], name: str, line: str) -> None:
    store = FrameStore(tmp_path / "store")
    store.prepare(sounds[:1])
    with (store.folder / name).open("a") as file:
        file.write(line)
    with pytest.raises(StoreError, match="has a line that earmark did not write"):
        FrameStore(tmp_path / "store")


def test_another_front_end_is_another_store(tmp_path: Path, sounds: list[Path]) -> None:
    store = FrameStore(tmp_path / "store")
    store.prepare(sounds[:1])
    other = FrameStore(tmp_path / "store", LogMelSettings(mel_bands=96))
    assert other.frames().shape == (0, 96)
    other.prepare(sounds[:1])
    assert other.frames().shape == (store.rows, 96)


def test_progress_counts_up_to_all_files(tmp_path: Path, sounds: list[Path]) -> None:
    store = FrameStore(tmp_path / "store")
    store.prepare(sounds[:1])
    told: list[int] = []
    store.prepare([*sounds, tmp_path / "absent.flac"], progress=told.append)
    assert told == [2, 3, 4, 5]


def test_the_index_says_what_was_decoded(tmp_path: Path, sounds: list[Path]) -> None:
    store = FrameStore(tmp_path / "store")
    store.prepare(sounds[:1])
    line = json.loads((store.folder / "tracks.jsonl").read_text())
    assert set(line) == {"content", "first_row", "rows", "decoder", "truncated"}
    file = json.loads((store.folder / "files.jsonl").read_text())
    assert file["content"] == line["content"]
    assert file["size"] == sounds[0].stat().st_size


def test_without_frames_only_lengths_are_kept(tmp_path: Path, sounds: list[Path]) -> None:
    whole, lengths = FrameStore(tmp_path / "store"), FrameStore(tmp_path / "store", keep_frames=False)
    assert whole.prepare(sounds) == lengths.prepare(sounds) == {}
    assert [lengths.track(path).rows for path in sounds] == [whole.track(path).rows for path in sounds]
    assert [lengths.track(path).content for path in sounds] == [whole.track(path).content for path in sounds]
    assert lengths.frames().shape == (0, 128)
    assert (lengths.folder / "frames.f16").stat().st_size == 0
    again = FrameStore(tmp_path / "store", keep_frames=False)
    assert again.prepare(sounds) == {}
    assert again.rows == whole.rows
