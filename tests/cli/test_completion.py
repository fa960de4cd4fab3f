"""Completion of commands and options in the shells that typer knows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def completed(shell: str, words: str) -> str:
    environment = os.environ | {
        "_EARMARK_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    # The variable is made of the program's name.
    code = "import sys; sys.argv = ['earmark']; from earmark.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=Path.cwd())
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_options_are_completed(shell: str) -> None:
    assert "similar" in completed(shell, "earmark library si")
    assert "--precision" in completed(shell, "earmark tag --prec")
