"""Options win over the environment, the environment over the file, and the file over the defaults."""

import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from earmark.cli.configuration import FILE_NAME, _places
from earmark.cli.main import app
from earmark.errors import ConfigurationError

PLACES = {(*place.command, place.key): place for place in _places(typer.main.get_command(app), ())}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's file."""
    monkeypatch.setattr("earmark.cli.configuration.configuration_file", lambda: tmp_path / FILE_NAME)
    return tmp_path


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env=environment)


def line_of(key: str, *arguments: str, **environment: str) -> str:
    """The line of an option of `serve`."""
    done = run(*arguments, "config", "serve", **environment)
    assert done.exit_code == 0, done.output
    return next(line for line in done.stdout.splitlines() if line.startswith((f"{key} ", f"# {key} ")))


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(home: Path) -> None:
    assert line_of("port") == "port = 8000  # default"
    (home / FILE_NAME).write_text("[serve]\nport = 1\n", encoding="utf-8")
    assert line_of("port") == f"port = 1  # {home / FILE_NAME}"
    other = home / "other.toml"
    other.write_text("[serve]\nport = 2\n", encoding="utf-8")
    assert line_of("port", "--config", str(other)) == f"port = 2  # {other}"
    assert line_of("port", EARMARK_CONFIG=str(other)) == f"port = 2  # {other}"
    assert line_of("port", EARMARK_SERVE_PORT="3") == "port = 3  # EARMARK_SERVE_PORT"
    assert line_of("port", EARMARK_SERVE_PORT="") == f"port = 1  # {home / FILE_NAME}"


def test_options_win_and_commands_get_what_holds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def bind(host: str, port: int) -> None:
        taken.append((host, port))
        raise ConfigurationError("test", "", "the end")

    pytest.importorskip("fastapi", reason="needs the extra serve")
    monkeypatch.setattr("earmark.web.http_server._bound_socket", bind)
    (home / FILE_NAME).write_text('[serve]\nport = 1\nhost = "file"\n', encoding="utf-8")
    for arguments, environment in [
        ((), {}),
        ((), {"EARMARK_SERVE_PORT": "2"}),
        (("--port", "3"), {"EARMARK_SERVE_PORT": "2"}),
    ]:
        run("serve", *arguments, **environment)
    assert taken == [("file", 1), ("file", 2), ("file", 3)]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[serve]\nprot = 1", "serve.prot"),
        ("[server]\nport = 1", "server"),
        ("[library]\njobs = 1", "library.jobs"),
        ("[library.adds]\njobs = 1", "library.adds"),
        ("port = 1", "port"),
        ('[serve]\nport = "x"', "serve.port"),
        ("[serve]\nport = 70000", "serve.port"),
        ("[serve]\nport = [1]", "serve.port"),
        ('[serve]\nallow-host = "a"', "serve.allow_host"),
        ("[serve]\nport = {a = 1}", "serve.port"),
        ("[serve\n", ""),
        ("[serve]\nport = true", "serve.port"),
        ("[serve]\nmax-megabytes = false", "serve.max_megabytes"),
        ("[serve]\nhost = true", "serve.host"),
        ("[serve]\nallow_host = [true]", "serve.allow_host"),
        ("[serve]\nmax-megabytes = 1\nmax_megabytes = 2", "serve.max_megabytes"),
        ("[library.add]\nlow_priority = true\nlow-priority = true", "library.add.low_priority"),
    ],
)
def test_a_file_that_sets_no_option_is_refused_by_its_key(home: Path, text: str, key: str) -> None:
    (home / FILE_NAME).write_text(text, encoding="utf-8")
    for arguments in (("config",), ("models",)):
        error = run(*arguments).exception
        assert isinstance(error, ConfigurationError)
        assert (error.source, error.key) == (str(home / FILE_NAME), key)
        assert "`earmark config` shows every option" in str(error)
    shown = run("config", "models")
    assert shown.exit_code != 0
    assert "[models]" in shown.stdout, "so the advice holds"


def test_a_file_that_is_named_has_to_be_there(home: Path) -> None:
    assert isinstance(run("--config", str(home / "none.toml"), "config").exception, ConfigurationError)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EARMARK_SERVE_PROT", "1"),
        ("EARMARK_SERVE_PORT", "x"),
        ("EARMARK_LIBRARY_ADD_NOTHING", "1"),
        ("EARMARK_LIBRARY_ADDD_JOBS", "1"),
        ("EARMARK_SERV_PORT", "8001"),
        ("EARMARK_PORT", "8001"),
        ("EARMARK_TOKENS", "1"),
    ],
)
def test_a_variable_that_sets_no_option_is_refused(name: str, value: str) -> None:
    error = run("config", **{name: value}).exception
    assert isinstance(error, ConfigurationError)
    assert error.source == name


def test_variables_that_others_set_are_left_alone() -> None:
    """Clusters set such variables for a service that is called earmark."""
    set_by_others = {
        "EARMARK_SERVICE_HOST": "10.0.0.1",
        "EARMARK_SERVICE_PORT": "80",
        "EARMARK_SERVICE_PORT_HTTP": "80",
        "EARMARK_PORT": "tcp://10.0.0.1:80",
        "EARMARK_PORT_80_TCP": "tcp://10.0.0.1:80",
        "EARMARK_PORT_80_TCP_ADDR": "10.0.0.1",
        "EARMARK_WEB_SERVICE_HOST": "10.0.0.1",
        "EARMARK_WEB_PORT": "tcp://10.0.0.1:80",
        "EARMARK_HOST": "music.example.com",
    }
    assert run("config", **set_by_others).exit_code == 0


def test_of_two_variables_of_an_option_the_first_counts_in_any_order() -> None:
    both = {"EARMARK_TOKEN": "one", "EARMARK_SERVE_TOKEN": "two"}
    for names in (list(both), list(reversed(both))):
        assert line_of("token", **{name: both[name] for name in names}).endswith("# EARMARK_TOKEN")


@pytest.mark.parametrize("name", ["EARMARK_TOKEN", "EARMARK_SERVE_TOKEN"])
def test_a_token_is_not_shown(name: str) -> None:
    line = line_of("token", **{name: "secret word"})
    assert name in line
    assert "secret" not in line


@pytest.mark.parametrize("text", ['"secret word"', '["secret word"]', '[["secret word"]]', "{a = 'secret word'}"])
def test_a_token_is_in_no_help_and_no_error(home: Path, text: str) -> None:
    (home / FILE_NAME).write_text(f"[serve]\ntoken = {text}\n", encoding="utf-8")
    for arguments in (("serve", "--help"), ("config", "serve"), ("models",)):
        done = run(*arguments)
        assert "secret" not in done.output
        assert "secret" not in str(done.exception)
    (home / FILE_NAME).unlink()
    for name in ("EARMARK_TOKEN", "EARMARK_SERVE_TOKEN"):
        shown = run("serve", "--help", **{name: "secret word"}).output
        assert "--token" in shown
        assert "secret" not in shown


def test_lists_and_switches() -> None:
    assert line_of("allow_host", EARMARK_SERVE_ALLOW_HOST="a.example, b.example").startswith(
        'allow_host = ["a.example", "b.example"]'
    )
    for text, shown in [("true", "true"), ("0", "false"), ("yes", "true")]:
        assert line_of("open", EARMARK_SERVE_OPEN=text) == f"open = {shown}  # EARMARK_SERVE_OPEN"


def test_every_option_of_every_command_is_shown_as_a_file_would_state_it(home: Path) -> None:
    done = run("config")
    shown = done.stdout
    read = tomllib.loads(shown)
    assert read["serve"]["port"] == 8000
    for *command, key in PLACES:
        assert f"[{'.'.join(command)}]" in shown
        assert f"\n{key} = " in shown or f"\n# {key} is not set" in shown
    (home / FILE_NAME).write_text(shown, encoding="utf-8")
    assert run("config").exit_code == 0


def test_no_two_options_have_one_variable() -> None:
    names = [name for place in PLACES.values() for name in place.variables]
    assert len(names) == len(set(names))


def test_a_command_that_there_is_not() -> None:
    assert run("config", "nothing").exit_code == 2
