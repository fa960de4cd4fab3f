"""Any length: the same memory, and streaming is the whole to the last digit, on every way through a sound."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tagging.builders import make_bundle
from tagging.generated import RATE_HZ, GeneratedWav, whole

from earmark.audio.decode import decode
from earmark.audio.logmel import log_mel
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.engines.int8 import measure_ranges
from earmark.tagging.tagger import Tagger

THIRTY_SECONDS, TEN_MINUTES, THREE_HOURS = 30, 600, 10_800
ALLOWED_MEGABYTES = 12
"""Between two runs of the same length the system counts up to four more or less; three hours of sound are 950."""

TAG = """
import sys
import earmark
from tagging.generated import GeneratedWav
tagger = earmark.load(sys.argv[1], sys.argv[2])
prediction = tagger.tag(GeneratedWav(int(sys.argv[3])), read_ahead=sys.argv[4] == "ahead")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(prediction.duration_seconds, int(status["VmHWM"].split()[0]) / 1024)
"""
WAYS = [("numpy", "plain"), ("numpy", "ahead"), ("onnx", "plain")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_bundle(make_bundle(), folder)
    return folder


def largest_memory(model: Path, seconds: int, engine: str, way: str) -> float:
    """Megabytes that a process needs at most to tag a generated sound."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TAG, str(model), engine, str(seconds), way]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    duration_seconds, megabytes = map(float, done.stdout.split())
    assert duration_seconds == seconds
    return megabytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
@pytest.mark.parametrize(("engine", "way"), WAYS, ids=[" ".join(way) for way in WAYS])
def test_three_hours_need_no_more_memory_than_thirty_seconds(model: Path, engine: str, way: str) -> None:
    if engine != "numpy":
        pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    short = largest_memory(model, THIRTY_SECONDS, engine, way)
    for seconds in (TEN_MINUTES, THREE_HOURS) if (engine, way) == WAYS[0] else (TEN_MINUTES,):
        assert largest_memory(model, seconds, engine, way) < short + ALLOWED_MEGABYTES, f"{seconds} s"


def test_the_generated_file_is_the_generated_sound() -> None:
    with decode(GeneratedWav(20), RATE_HZ) as sound:
        np.testing.assert_array_equal(np.concatenate(list(sound)), whole(20))
        assert not sound.truncated


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [THIRTY_SECONDS, TEN_MINUTES])
def test_streaming_is_the_whole_to_the_last_digit(seconds: int) -> None:
    samples = whole(seconds)
    bundle = make_bundle()
    taggers = [Tagger(bundle)]
    if importlib.util.find_spec("onnxruntime") is not None:
        ranges = measure_ranges(bundle, [(samples[: 20 * RATE_HZ], RATE_HZ)])
        taggers += [Tagger(bundle, "onnx"), Tagger(bundle, "int8", ranges)]
    with decode(GeneratedWav(seconds)) as sound:
        at_once = np.concatenate(list(sound))
    for tagger in taggers:
        expected = tagger.tag((at_once, 22_050))
        for read_ahead in (False, True):
            found = tagger.tag(GeneratedWav(seconds), read_ahead=read_ahead)
            np.testing.assert_array_equal(found.logits, expected.logits)
            np.testing.assert_array_equal(found.embedding, expected.embedding)
            np.testing.assert_array_equal(found.local_scores, expected.local_scores)


def test_the_front_end_in_a_stream_is_that_of_the_whole() -> None:
    from earmark.audio.logmel import LogMel

    stream, parts = LogMel(), []
    with decode(GeneratedWav(THIRTY_SECONDS)) as sound:
        blocks = list(sound)
    parts = [*(stream.push(block) for block in blocks), stream.finish()]
    np.testing.assert_array_equal(np.concatenate(parts), log_mel(np.concatenate(blocks)))
