"""Which commit the code that runs is of."""

import subprocess
from pathlib import Path


def commit() -> str:
    """The commit of the checkout that runs, with a mark where files were changed; "unknown" outside a checkout."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
