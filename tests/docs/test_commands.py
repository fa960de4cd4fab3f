"""Every command that any page names is one that there is, with options that it has."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from docs.fences import PAGES, ROOT, earmark_commands

pytest.importorskip("pydantic", reason="needs the extra train")

from generation.commands import Command, commands

COMMANDS: Mapping[str, Command] = {each.name: each for each in commands()}


def known_options(name: str) -> set[str]:
    return {option for each in COMMANDS[name].parameters for option in each.names if option.startswith("-")} | {
        "--help",
        "-h",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_their_options_are_known(page: Path) -> None:
    for place, words in earmark_commands(page):
        for name in named(words):
            assert name in COMMANDS, f"{place}: there is no command earmark {name}"
            for word in words[: words.index("--")] if "--" in words else words:
                option = word.split("=")[0]
                if option.startswith("-") and not option.lstrip("-").isdecimal():
                    assert option in known_options(name), f"{place}: earmark {name} has no {option}"


def named(words: list[str]) -> list[str]:
    """The commands that a line names: one, or several at once, as `library add|search`."""
    plain = [word for word in words[:2] if not word.startswith("-")]
    if not plain:
        return [""]
    if plain[0] in ("library", "data"):
        return [f"{plain[0]} {word}" for word in (plain[1].split("|") if len(plain) > 1 else ())]
    return plain[0].split("|")


def test_the_commands_are_those_of_the_program() -> None:
    from earmark.cli.main import app

    parsed = typer.main.get_command(app)
    names = {name for name in parsed.commands if not hasattr(parsed.commands[name], "commands")}
    assert names <= set(COMMANDS)
    assert "library add" in COMMANDS
    assert "" in COMMANDS, "earmark itself"
