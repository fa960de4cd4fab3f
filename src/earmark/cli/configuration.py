"""The defaults of options from a file and from the environment, and `earmark config`, which shows them."""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from earmark.cli.output import show
from earmark.errors import ConfigurationError

FILE_NAME = "earmark.toml"
PREFIX = "EARMARK"
OTHER_VARIABLES = frozenset(("EARMARK_CONFIG", "EARMARK_HOST", "EARMARK_PROXY", "EARMARK_ROOT_PATH"))
"""Variables that set no option of a command: that of --config, and those that `deploy/compose.yaml` reads."""
OF_A_CLUSTER = re.compile(r"EARMARK_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
"""Variables that a cluster sets in all containers for a service whose name begins with earmark."""
SECRETS = frozenset(("token",))
"""Options whose values are never shown."""


@dataclass(frozen=True)
class OptionPlace:
    """An option of a command.

    command: its words, such as ("library", "add"). key: its name in a file. parsed: the option as typer made it.
    """

    command: tuple[str, ...]
    key: str
    parsed: Any

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of its environment variables, the one that counts first."""
        own = "_".join((PREFIX, *self.command, self.key)).replace("-", "_").upper()
        given = self.parsed.envvar
        return (*([given] if isinstance(given, str) else given or ()), own)


Places = Mapping[tuple[tuple[str, ...], str], OptionPlace]
"""All options, by their command and key."""


@dataclass(frozen=True)
class ConfiguredValue:
    """The value of an option, and where it comes from: the name of a variable or a file, or "default"."""

    value: Any
    source: str


@dataclass(frozen=True)
class Configuration:
    """The file that was read or would be, the values of all options, and what ended reading them, or None."""

    file: Path
    values: Mapping[OptionPlace, ConfiguredValue]
    error: ConfigurationError | None = None


def configuration_file() -> Path:
    """Return the path of the user's file, in the folder where the system keeps such files. Nothing is created."""
    return Path(typer.get_app_dir("earmark")) / FILE_NAME


def configure(context: typer.Context, file: Path | None) -> None:
    """Set the defaults of all options from a file, or from the user's file if there is one, and the environment.

    Raises ConfigurationError if the file cannot be read, or for an unknown key, an unknown variable of a command, and a
    value that its option does not accept; `earmark config` raises it itself, after the options.
    """
    found = configuration_file() if file is None else file.expanduser()
    places = {(place.command, place.key): place for place in _places(context.command, ())}
    values = {place: ConfiguredValue(place.parsed.default, "default") for place in places.values()}
    refused = None
    try:
        if file is not None or found.is_file():
            _take_file(found, places, values, context)
        _take_environment(places.values(), values, context)
    except ConfigurationError as error:
        if context.invoked_subcommand != "config":
            raise
        refused = error
    context.obj = Configuration(found, values, refused)
    context.default_map = {}
    for place, configured in values.items():
        if configured.source != "default":
            table = context.default_map
            for word in place.command:
                table = table.setdefault(word, {})
            table[place.parsed.name] = configured.value


def _take_file(file: Path, places: Places, values: dict[OptionPlace, ConfiguredValue], context: typer.Context) -> None:
    commands = {command[:depth] for command, _ in places for depth in range(1, len(command) + 1)}
    taken: set[OptionPlace] = set()
    for command, key, value in _keys(_read(file), (), commands, str(file)):
        place = places.get((command, key))
        if place in taken:
            reason = f"the key twice, once as {key} and once as {key.replace('_', '-')}; expected it once"
            raise ConfigurationError(str(file), ".".join((*command, key)), reason)
        if place is None:
            expected = ", ".join(key for of, key in places if of == command)
            below = ", ".join(f"[{'.'.join(each)}]" for each in sorted(commands) if each[:-1] == command)
            raise ConfigurationError(
                str(file), ".".join((*command, key)), f"an unknown key; expected {expected or f'it in one of {below}'}"
            )
        taken.add(place)
        values[place] = ConfiguredValue(_checked(place, value, str(file), context), str(file))


def _take_environment(
    places: Collection[OptionPlace], values: dict[OptionPlace, ConfiguredValue], context: typer.Context
) -> None:
    known = {variable for place in places for variable in place.variables}
    for variable, text in os.environ.items():
        if (
            variable.startswith(f"{PREFIX}_")
            and variable not in known | OTHER_VARIABLES
            and not _is_of_a_cluster(variable, text)
        ):
            alike = difflib.get_close_matches(variable, sorted(known), 1)
            expected = f"; expected one such as {alike[0]}" if alike else ""
            reason = f"the environment variable of an option that there is not{expected}"
            raise ConfigurationError(variable, variable, reason)
    for place in places:
        first = next((each for each in place.variables if os.environ.get(each)), None)
        if first is not None:
            text = os.environ[first]
            value = [each.strip() for each in text.split(",")] if place.parsed.multiple else text
            values[place] = ConfiguredValue(_checked(place, value, first, context), first)


def _is_of_a_cluster(variable: str, text: str) -> bool:
    """Return whether a cluster has set a variable; that of a port is known by its value, such as tcp://10.0.0.1:80."""
    is_port = variable.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://"))
    return is_port or OF_A_CLUSTER.fullmatch(variable) is not None


def config(
    context: typer.Context,
    command: Annotated[
        list[str] | None, typer.Argument(help="Command whose options are shown, such as `serve`; default: all.")
    ] = None,
) -> None:
    """Show the value of every option as a file would state it, and where it comes from.

    Options win over the environment, the environment wins over the file, and the file over the defaults. If the file
    or the environment is wrong, the options are shown as far as they were read, and then the error.
    """
    words = tuple(command or ())
    configuration: Configuration = context.obj
    shown = {place: value for place, value in configuration.values.items() if place.command[: len(words)] == words}
    if not shown:
        raise typer.BadParameter(f"there is no command {' '.join(words)}", param_hint="COMMAND")
    show(f"# {configuration.file}{'' if configuration.file.is_file() else ' (not there)'}")
    table: tuple[str, ...] = ()
    for place, configured in shown.items():
        if place.command != table:
            table = place.command
            show(f"\n[{'.'.join(table)}]")
        show(_line(place, configured))
    if configuration.error is not None:
        raise configuration.error


def _line(place: OptionPlace, configured: ConfiguredValue) -> str:
    """Return the line of an option, which is a comment if it has no value."""
    value = configured.value
    if place.key in SECRETS and value:
        return f"# {place.key} is set  # {configured.source}"
    if value is None or value is ... or value == []:
        return f"# {place.key} is not set"
    if isinstance(value, list | tuple):
        text = json.dumps([str(each) for each in value], ensure_ascii=False)
    elif isinstance(value, bool | int | float):
        text = json.dumps(value)
    else:
        text = json.dumps(str(getattr(value, "value", value)), ensure_ascii=False)
    return f"{place.key} = {text}  # {configured.source}"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"a file that cannot be read ({error.strerror}); expected a file of TOML"
        raise ConfigurationError(str(file), "", reason) from error
    except ValueError as error:  # no UTF-8, or no TOML
        raise ConfigurationError(str(file), "", f"no TOML ({error})") from error


def _places(command: Any, words: tuple[str, ...]) -> Iterator[OptionPlace]:
    """Yield the options of a command and of those below it; not those of `earmark` itself."""
    for parsed in command.params if words else ():
        longest = next((each for each in parsed.opts if each.startswith("--")), None)
        if longest is not None and longest != "--help":
            yield OptionPlace(words, longest.removeprefix("--").replace("-", "_"), parsed)
    for name, below in getattr(command, "commands", {}).items():
        yield from _places(below, (*words, name))


def _keys(
    tables: Mapping[str, Any], words: tuple[str, ...], commands: set[tuple[str, ...]], file: str
) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield the keys of a file with the commands that they belong to; raise ConfigurationError for other tables."""
    for name, value in tables.items():
        inner = (*words, name)
        if isinstance(value, dict):
            if inner not in commands:
                raise ConfigurationError(file, ".".join(inner), "a table of a command that there is not")
            yield from _keys(value, inner, commands, file)
        elif not words:
            raise ConfigurationError(file, name, "a key outside a table; expected it in that of a command: [serve]")
        else:
            yield words, name.replace("-", "_"), value


def _checked(place: OptionPlace, value: Any, source: str, context: typer.Context) -> Any:
    """Return a value as its option takes it; raise ConfigurationError if its option does not accept it."""
    name = ".".join((*place.command, place.key))
    is_secret = place.key in SECRETS
    shown = "a value that is not shown here" if is_secret else repr(value)
    if bool(place.parsed.multiple) != isinstance(value, list):
        expected = "a list" if place.parsed.multiple else "a single value"
        raise ConfigurationError(source, name, f"{shown}; expected {expected}")
    if not place.parsed.is_flag and any(
        isinstance(each, bool) for each in (value if isinstance(value, list) else [value])
    ):
        raise ConfigurationError(source, name, f"{shown}; expected no true or false, as the option is no switch")
    try:
        return place.parsed.process_value(context, value)
    except typer.BadParameter as error:
        reason = "expected one that the option accepts" if is_secret else error.message
        raise ConfigurationError(source, name, f"{shown}; {reason}") from error
