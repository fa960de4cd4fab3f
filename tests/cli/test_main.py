import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tagging.builders import write_random_bundle
from training.sounds import write_noise

import earmark

HEAVY = ("torch", "fastapi", "ray", "matplotlib", "sklearn", "pydantic", "lightning", "scipy", "numpy")


def run(
    *arguments: str | bytes | Path, options: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """`python -m earmark` with some arguments, as its own process."""
    command = [sys.executable, *options, "-m", "earmark", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        errors="surrogateescape",
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("arguments", [("--help",), ("tag", "--help"), ("train", "--help"), ("--version",)])
def test_help_loads_next_to_nothing(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, options=("-X", "importtime"))
    assert done.returncode == 0
    loaded = set(re.findall(r"\|\s+(\w+)\S*$", done.stderr, re.MULTILINE))
    assert {"earmark", "typer"} <= loaded, "the list of imports can be read"
    # To show a command's help typer itself loads pydantic where it is installed.
    by_typer = {"pydantic"} if len(arguments) > 1 else set()
    assert loaded & set(HEAVY) <= by_typer


def test_importing_earmark_loads_next_to_nothing() -> None:
    code = f"import sys, earmark; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version_and_help_are_results() -> None:
    assert run("--version").stdout == f"earmark {earmark.__version__}\n"
    done = run("--help")
    assert done.stderr == ""
    for command in ("tag", "train", "evaluate", "models"):
        assert command in done.stdout


def test_a_file_is_tagged(tmp_path: Path) -> None:
    model = write_random_bundle(tmp_path / "model")
    sound = write_noise(tmp_path / "sound.flac", 1)
    done = run("tag", sound, "--model", model, "--top", "2")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{sound}  [short]")
    assert len(lines) == 3


def test_without_a_model_there_is_one_clear_sentence(tmp_path: Path) -> None:
    sound = write_noise(tmp_path / "sound.flac", 1)
    done = run("tag", sound, "--model", tmp_path / "absent")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"earmark: No model '{tmp_path / 'absent'}': found no such folder")
    if not earmark.models():
        done = run("tag", sound)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("earmark: No model comes with this version of earmark")
        assert "earmark train" in done.stderr


def test_an_unknown_key_of_a_recipe_is_one_clear_sentence(tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="needs the extra train")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "wrong"\n[data]\ndataset = "rendered"\nroot = "r"\nsplits = ["default"]\n[local]\nscale = [18]\n'
    )
    for command in ("train", "evaluate"):
        done = run(command, recipe, "--runs", tmp_path / "runs")
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert "local.scale: unknown key; the nearest known key is 'scales'" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_one_thread_is_the_default_and_a_choice_is_kept() -> None:
    code = (
        "import os, sys; sys.argv = ['earmark', 'models']\n"
        "import atexit; atexit.register(lambda: print(os.environ['OPENBLAS_NUM_THREADS']))\n"
        "import earmark.cli.main; print('numpy' in sys.modules); earmark.cli.main.main()"
    )
    for given, expected in (({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")):
        environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**environment, **given}
        )
        lines = done.stdout.splitlines()
        assert (lines[0], lines[-1]) == ("False", expected), "numpy comes after the number of threads"


def test_a_wrong_option_is_no_traceback(tmp_path: Path) -> None:
    done = run("tag", tmp_path, "--json", "--csv")
    assert done.returncode == 2
    assert "choose one of --json, --jsonl and --csv" in done.stderr
    assert "Traceback" not in done.stderr
