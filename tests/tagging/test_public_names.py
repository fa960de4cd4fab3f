import subprocess
import sys

import pytest

import earmark


def test_every_public_name_is_there():
    for name in earmark.__all__:
        assert getattr(earmark, name) is not None
    assert dir(earmark) == sorted(earmark.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'earmark' has no attribute 'unknown'"):
        earmark.unknown  # noqa: B018 (the access is the test)


def test_importing_loads_next_to_nothing():
    code = "import sys, earmark; print([m for m in ('numpy', 'torch', 'soundfile', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tagger_needs_no_training_framework():
    code = (
        "import sys, earmark; earmark.Tagger, earmark.load; "
        "print([m for m in ('torch', 'lightning', 'sklearn', 'scipy', 'librosa', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
