"""The commands of README and the tutorial that the tests do not run, each with the reason; as few as possible."""

from collections.abc import Mapping

NOT_RUN: Mapping[str, str] = {
    "pip install": "it needs a network, and would change the environment that the tests run in",
    "earmark serve": "it serves until it is stopped; tests/web does it",
    "earmark site": "it needs what npm fetches; tests/web/test_site_folder.py writes a site",
    "ffmpeg": "not every machine has it; tests/cli/test_listen.py pipes sound into the command",
}
"""By the words that a command begins with."""


def reason(line: str) -> str | None:
    """Why a command is not run, or None."""
    return next((why for start, why in NOT_RUN.items() if line.startswith(start)), None)
