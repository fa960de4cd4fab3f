"""The lines of the README as a script: no `if __name__ == "__main__"`, nothing on stdout but what the script says."""

import subprocess
import sys
from pathlib import Path

from tagging.builders import write_random_bundle
from training.sounds import write_noise

SCRIPT = """
import earmark
tagger = earmark.load("model")
with earmark.Library("music.earmark", tagger) as library:
    library.add("music", jobs=2)
    print(len(library.search("tag 1>0 AND NOT tag 2>1")), len(library.similar("music/1.flac", n=2)))
"""


def test_a_script_needs_no_guard(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "model")
    for number in range(4):
        write_noise(tmp_path / "music" / f"{number}.flac", number)
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "4 2\n", "")
