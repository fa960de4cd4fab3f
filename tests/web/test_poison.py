"""Poisoned files are answered with a clear problem, or listened to, and the server goes on."""

import struct
from pathlib import Path

import pytest
from library.poison import write_poison
from web.served import Served, problem

from earmark.tagging import tagger as tagger_module
from earmark.tagging.tagger import Tagger
from earmark.web.job import JobFailed, JobSetup, SoundJob
from earmark.web.job_worker import JobWorker
from earmark.web.problems import too_long

KINDS = {
    "cut.flac": "",
    "cut in its header.flac": "no-sound",
    "empty.mp3": "no-sound",
    "text.mp3": "no-sound",
    "random behind a header.flac": "no-sound",
    "claims 100 hours.flac": "too-long",
    "bomb of silence.wav": "",
    "no channels.wav": "no-sound",
    "not numbers.wav": "no-sound",
    "one sample.wav": "",
    "384 kHz.wav": "",
}
START_BYTES = 2_000_000
"""Of each file, which is all of it but for the bomb."""


@pytest.fixture(scope="module")
def poison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of them."""
    folder = tmp_path_factory.mktemp("poison")
    assert set(write_poison(folder)) == set(KINDS)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_each(usual: Served, poison: Path, song: bytes, name: str) -> None:
    answer = usual.client.post("/v1/tag", files={"file": (name, start(poison / name))})
    if KINDS[name]:
        found = problem(answer, 422, KINDS[name])
        assert str(poison) not in answer.text
        assert str(found["detail"]).endswith((".", ")")) or name in str(found["detail"])
    else:
        assert answer.status_code == 200, answer.text
    assert usual.client.post("/v1/tag", files={"file": ("a.flac", song)}).status_code == 200


def test_all_at_once(usual: Served, poison: Path) -> None:
    names = [name for name in KINDS if name != "empty.mp3"]  # that is refused when it is brought
    brought = {name: usual.bring(start(poison / name), name) for name in names}
    for name, identifier in brought.items():
        last, told = usual.events(identifier)[-1]
        assert last == ("failed" if KINDS[name] else "done"), name
        if KINDS[name]:
            assert told["type"] == f"urn:earmark:problem:{KINDS[name]}"


def test_the_whole_bomb(tagger: Tagger, poison: Path, tmp_path: Path) -> None:
    worker = JobWorker(JobSetup(tagger.bundle, 2_048), lambda message: None)
    bomb = poison / "bomb of silence.wav"
    outcome = worker.work(SoundJob(str(bomb), str(tmp_path / "answer"), bomb.name, "track", 60.0, 60.0))
    assert outcome == JobFailed(too_long(60.0))


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (struct.error("unpack requires a buffer of 4 bytes"), "no-sound"),
        (IndexError("list index out of range"), "no-sound"),
        (OSError(22, "Invalid argument"), "no-sound"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "no-sound"),
        (MemoryError(), "out-of-memory"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_whatever_a_decoder_raises_is_the_sounds_problem(
    tagger: Tagger, poison: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: str
) -> None:
    def fail(*arguments: object) -> None:
        raise raised

    monkeypatch.setattr(tagger_module, "decode", fail)
    worker = JobWorker(JobSetup(tagger.bundle, 2_048), lambda message: None)
    path = poison / "384 kHz.wav"
    outcome = worker.work(SoundJob(str(path), str(tmp_path / "answer"), "song.wav", "tag", 60.0, 60.0))
    assert isinstance(outcome, JobFailed)
    assert (outcome.problem.kind, outcome.problem.status) == (kind, 422)
    assert str(poison) not in outcome.problem.detail


def start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(START_BYTES)
