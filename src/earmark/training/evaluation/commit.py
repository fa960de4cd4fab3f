"""Which commit the code that runs is of."""

import os
import subprocess
from pathlib import Path

PLACE = Path("src/earmark/training/evaluation/commit.py")
"""Where this file lies in earmark's own repository."""


def commit() -> str:
    """The commit of earmark's own checkout that runs, with a mark where files were changed; elsewhere "unknown"."""
    here = Path(__file__).resolve()
    try:
        # An installed earmark may lie in another's repository, even among the files that are kept there: what git says
        # of that one is no commit of earmark.
        if here != Path(_git(here.parent, "rev-parse", "--show-toplevel")).resolve() / PLACE:
            return "unknown"
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    """What git says in a folder; raises CalledProcessError where it fails, OSError where there is none."""
    # GIT_DIR and its like, which git sets for the programs that it runs, name another repository than the folder's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()
