"""Where a person's library is when none is named."""

import os
import sys
from pathlib import Path


def default_library() -> Path:
    """The library's file in the user's data folder, as each system wants it; nothing is made here."""
    home = Path.home()
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return folder / "earmark" / "music.earmark"
