"""The files of `deploy/`: proxies serve the page and the API below a path, and images and units are checked."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
yaml: Any = pytest.importorskip("yaml", reason="needs PyYAML")

import typer
from tagging.builders import make_bundle
from training.sounds import write_noise
from web.served import PATIENCE_SECONDS, Served, eventually, served

from earmark.cli.configuration import _places
from earmark.cli.main import app
from earmark.tagging.tagger import Tagger
from earmark.web.batches import BATCHES_ON_DISK
from earmark.web.settings import ServerSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
NAME = "music.example.com"


def program(name: str) -> str:
    """The path of a program; the test is skipped where it is missing."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


@pytest.fixture(scope="module")
def below() -> Iterator[Served]:
    """A server as the examples start it."""
    tagger = Tagger(make_bundle(tags=5, calibrated=True))
    with served(tagger, root_path="/earmark", allowed_hosts=(NAME,), token="secret") as running:
        yield running


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def running(command: list[str], port: int) -> Iterator[str]:
    """A proxy until the block ends; the address that it shows."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            eventually(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            yield f"http://127.0.0.1:{port}/earmark"
        finally:
            process.terminate()


def answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, below: Served, tmp_path: Path) -> Iterator[str]:
    """The server behind a proxy with the configuration of `deploy/`."""
    upstream, port = below.url.removeprefix("http://"), free_port()
    if request.param == "nginx":
        snippet = tmp_path / "earmark.conf"
        example = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
        snippet.write_text(example.replace("127.0.0.1:8000", upstream), encoding="utf-8")
        folders = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        whole = tmp_path / "nginx.conf"
        whole.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {folders} limit_conn_zone $binary_remote_addr zone=earmark:1m;\n"
            f"server {{ listen 127.0.0.1:{port}; include {snippet}; }} }}\n",
            encoding="utf-8",
        )
        command = [program("nginx"), "-c", str(whole), "-e", "stderr"]
    else:
        example = (DEPLOY / "Caddyfile").read_text(encoding="utf-8").replace("127.0.0.1:8000", upstream)
        whole = tmp_path / "Caddyfile"
        site = re.sub(rf"^{re.escape(NAME)}", f":{port}", example, flags=re.MULTILINE)
        whole.write_text(f"{{\n\tadmin off\n}}\n{site}", encoding="utf-8")
        command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(whole)]
    with running(command, port) as address:
        yield address


def test_everything_works_behind_a_proxy_and_below_a_path(proxied: str, tmp_path: Path) -> None:
    song = write_noise(tmp_path / "song.flac", 1, 12 * 22_050).read_bytes()
    browser = {"Host": NAME, "Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"}
    token = {"Authorization": "Bearer secret"}
    with httpx.Client(headers=browser, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        page = client.get(f"{proxied}/")
        assert page.headers["content-type"].startswith("text/html")
        scripts = re.findall(r'(?:src|href)="([^"#:]+)"', page.text)
        assert scripts
        assert [client.get(f"{proxied}/{each}").status_code for each in scripts] == [200] * len(scripts)
        moved = client.get(proxied)
        assert (moved.status_code, httpx.URL(moved.headers["location"]).path) == (308, "/earmark/")
        assert client.get(f"{proxied}/v1/models").status_code == 401
        assert client.get(f"{proxied}/v1/models", headers=token).status_code == 200
        assert client.get(f"{proxied}/health", headers={"Host": "evil.example"}).status_code == 421
        evil = {**token, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert client.get(f"{proxied}/v1/models", headers=evil).status_code == 403
        tagged = client.post(f"{proxied}/v1/tag", files={"file": ("a.flac", song)}, headers=token)
        assert tagged.json()["tags"]
        started = client.post(f"{proxied}/v1/tracks", files={"file": ("a.flac", song)}, headers=token).json()
        origin = proxied.removesuffix("/earmark")
        with client.stream("GET", origin + started["events"], headers=token) as events:
            assert "event: done" in events.read().decode()
        sound = client.get(origin + started["audio"], headers={**token, "Range": "bytes=0-3"})
        assert (sound.status_code, sound.content) == (206, b"fLaC")


def variables(text: str) -> set[str]:
    return set(re.findall(r"\b(EARMARK_SERVE_[A-Z_]+)", text))


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "earmark.service"])
def test_variables_are_those_of_options(name: str) -> None:
    known = {each for place in _places(typer.main.get_command(app), ()) for each in place.variables}
    assert variables((DEPLOY / name).read_text(encoding="utf-8")) <= known


def test_the_image_is_small_and_its_user_is_nobody() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM")) :]
    assert any(line.startswith("USER 1") for line in last)
    assert any(line.startswith("HEALTHCHECK") for line in last)
    assert not any("pip install" in line for line in last), "the stage that is kept installs nothing"
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert {"LICENSE", "NOTICE"} <= {name for names in copied for name in names}, "the licences of what it holds"
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert {*build["targets"]["wheel"]["force-include"]} <= {name for names in copied for name in names}
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()
        assert f"!{name}" in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([program("hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.long
def test_the_steps_of_the_image_install_a_server_that_has_its_model(tmp_path: Path) -> None:
    """What the image copies is enough to install earmark, model and page included. Needs a package registry."""
    for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            *names, place = line.split()[1:]
            for name in names:
                target = tmp_path / "source" / place if (ROOT / name).is_dir() else tmp_path / "source" / place / name
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                target.parent.mkdir(parents=True, exist_ok=True)
                copy(ROOT / name, target)
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", f"{tmp_path / 'source'}[serve]"]
    subprocess.run(command, check=True, timeout=PATIENCE_SECONDS * 5, cwd=tmp_path)
    script = (
        "import earmark; from earmark.web.app import make_app; from earmark.web.settings import ServerSettings;"
        "from earmark.web.routes import PAGE_FOLDER; make_app(ServerSettings(), earmark.load());"
        "print((PAGE_FOLDER / 'index.html').is_file())"
    )
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.long
def test_the_image_is_built_and_runs() -> None:
    docker = program("docker")
    if subprocess.run([docker, "info"], capture_output=True).returncode != 0:
        pytest.skip("needs a running engine of docker")
    subprocess.run([docker, "build", "-f", str(DEPLOY / "Dockerfile"), "-t", "earmark-test", str(ROOT)], check=True)
    options = ["--rm", "--detach", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "-p", "127.0.0.1::8000"]
    started = subprocess.run([docker, "run", *options, "earmark-test"], check=True, capture_output=True, text=True)
    identifier = started.stdout.strip()
    try:
        told = subprocess.run([docker, "port", identifier, "8000"], check=True, capture_output=True, text=True)
        address = f"http://{told.stdout.split()[0]}/health"
        eventually(lambda: answers(int(told.stdout.split()[0].rpartition(":")[2])))
        assert httpx.get(address, timeout=PATIENCE_SECONDS, trust_env=False).json()["status"] == "ok"
    finally:
        subprocess.run([docker, "stop", identifier], check=True, capture_output=True)


def test_compose_runs_the_image_without_rights() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["earmark"]
    assert service["read_only"] is True
    settings = ServerSettings()
    sounds = (settings.slots + settings.max_uploads) * settings.max_megabytes
    needed = sounds + settings.kept_megabytes + BATCHES_ON_DISK * settings.max_batch_megabytes
    assert "uploads:/tmp" in service["volumes"], "memory would not hold them"
    assert f"{needed / 1_000:.0f} GB" in (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:8000:8000"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert service["command"][0] == "serve"


def verified_unit(folder: Path, name: str, program_in_unit: str) -> Path:
    """A unit with a program that is there, which systemd takes as it is."""
    unit = folder / name
    unit.write_text((DEPLOY / name).read_text(encoding="utf-8").replace(program_in_unit, sys.executable), "utf-8")
    verified = subprocess.run([program("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True)
    assert [line for line in verified.stderr.splitlines() if name in line] == []
    return unit


def test_the_unit_for_a_user_is_one(tmp_path: Path) -> None:
    verified_unit(tmp_path, "earmark-watch.service", "%h/.local/share/earmark-venv/bin/earmark")


def test_the_unit_is_one_and_is_hardened(tmp_path: Path) -> None:
    unit = verified_unit(tmp_path, "earmark.service", "/opt/earmark/bin/earmark")
    analyse = program("systemd-analyze")
    command = [analyse, "security", "--offline=true", "--threshold=20", "--json=short", str(unit)]
    secured = subprocess.run(command, capture_output=True, text=True)
    assert secured.returncode == 0, [each["name"] for each in json.loads(secured.stdout) if not each["set"]]
