"""The known name that a mistyped one comes closest to, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'known'?"` for the nearest known name, or an empty text when none is near."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return up to `most` names, quoted and separated by commas, and how many more there are."""
    every = list(names)
    text = ", ".join(repr(name) for name in every[:most])
    return f"{text} and {len(every) - most} more" if len(every) > most else text
