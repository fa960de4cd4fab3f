"""Who may import whom, and what may not be in the source, read from the source itself."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
MODULES = sorted(FILES)

LAYERS = {
    "errors": set[str](),
    "audio": {"errors"},
    "tagging": {"errors", "audio"},
    "training": {"errors", "audio", "tagging"},
    "teaching": {"errors", "audio", "tagging"},
    "library": {"errors", "audio", "tagging"},
    "web": {"errors", "audio", "tagging", "training", "teaching", "library"},
    "cli": {"errors", "audio", "tagging", "training", "teaching", "library", "web"},
}
"""What each part may import, besides itself and the version number."""

TRAINING = {
    "method": set[str](),
    "networks": set[str](),
    "recipe": {"networks"},
    "datasets": set[str](),
    "material": {"recipe", "datasets"},
    "steps": {"recipe", "datasets", "material", "networks"},
    "evaluation": {"recipe", "datasets", "material", "networks", "steps"},
    "trials": {"recipe", "datasets", "evaluation"},
    "bundle": {"recipe", "datasets", "material", "networks", "steps", "evaluation", "trials"},
    "figures": {"recipe", "networks", "evaluation", "trials"},
}
"""What each package of training may import, besides itself."""

ONLY = {
    "torch": "earmark.training",
    "lightning": "earmark.training",
    "scipy": "earmark.training",
    "pydantic": ("earmark.training", "earmark.web"),
    "sklearn": ("earmark.training", "earmark.teaching"),
    "soundfile": "earmark.audio",
    "av": "earmark.audio",
    "soxr": "earmark.audio",
    "sounddevice": "earmark.audio",
    "matplotlib": "earmark.training.figures",
    "onnxruntime": "earmark.tagging.onnx",
    "fastapi": "earmark.web",
    "starlette": "earmark.web",
    "python_multipart": "earmark.web.multipart",
    "prometheus_client": "earmark.web.metrics",
    "uvicorn": ("earmark.web", "earmark.cli"),
    "ray": "earmark.library.cluster",
    "mutagen": ("earmark.library.tag_file", "earmark.library.tag_forms"),
    "usearch": "earmark.library",
    "typer": "earmark.cli",
    "rich": "earmark.cli",
}
"""Packages that only some parts may import, wherever in a file."""


@dataclass(frozen=True)
class Import:
    """One import of one module; not `at_start` where it waits inside a function or is for type checkers only."""

    module: str
    line: int
    at_start: bool


def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports_under(node: ast.AST, at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = at_start and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.Import):
            yield from (Import(name.name, child.lineno, at_start) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"a relative import in line {child.lineno}"
            for name in child.names:
                whole = f"{child.module}.{name.name}"
                yield Import(whole if whole in FILES else child.module or "", child.lineno, at_start)
        else:
            yield from imports_under(child, inside and not for_type_checkers(child))


def imports(module: str) -> list[Import]:
    return list(imports_under(tree(module), True))


def within(module: str, parts: str | tuple[str, ...]) -> bool:
    wanted = (parts,) if isinstance(parts, str) else parts
    return any(module == part or module.startswith(f"{part}.") for part in wanted)


def part_of(module: str) -> str:
    """The part of earmark that a module belongs to; empty for earmark itself."""
    return [*module.split("."), ""][1]


def test_the_source_is_found() -> None:
    assert {"earmark", "earmark.errors", "earmark.tagging.tagger", "earmark.training.steps.fit"} <= set(MODULES)
    found = {item.module for item in imports("earmark.training.steps.fit")}
    assert {"torch", "lightning.fabric", "earmark.errors", "earmark.training.steps.schedule"} <= found


@pytest.mark.parametrize("module", MODULES)
def test_layers(module: str) -> None:
    part = part_of(module)
    for item in imports(module):
        if not within(item.module, "earmark"):
            continue
        other = part_of(item.module)
        if part == "":
            assert not item.at_start or other in ("", "errors"), f"{module}: {item}"
        elif part == "__main__":
            assert other == "cli"
        else:
            assert other in {"", part} | LAYERS[part], f"{module} may not import {item.module} (line {item.line})"


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("earmark.training.")])
def test_layers_of_training(module: str) -> None:
    package = module.split(".")[2]
    for item in imports(module):
        if within(item.module, "earmark.training"):
            other = item.module.split(".")[2]
            allowed = {package} | TRAINING[package]
            assert other in allowed, f"{module} may not import {item.module} (line {item.line})"


@pytest.mark.parametrize("module", MODULES)
def test_packages_stay_where_they_belong(module: str) -> None:
    for item in imports(module):
        allowed = ONLY.get(item.module.split(".")[0])
        assert allowed is None or within(module, allowed), f"{module} imports {item.module} (line {item.line})"


@pytest.mark.parametrize("module", [name for name in MODULES if within(name, "earmark.tagging")])
def test_tagging_needs_numpy_and_safetensors_alone(module: str) -> None:
    import sys

    for item in imports(module):
        package = item.module.split(".")[0]
        known = sys.stdlib_module_names | {"earmark", "numpy", "safetensors", "onnxruntime"}
        assert package in known, f"{module} imports {item.module} (line {item.line})"


def test_the_method_stands_by_itself() -> None:
    """The page of the method needs nothing of earmark, and nothing needs the page."""
    method = "earmark.training.method"
    assert not [item for item in imports(method) if within(item.module, "earmark")]
    assert not [module for module in MODULES if method in {item.module for item in imports(module)}]


def test_no_module_waits_for_itself() -> None:
    """Imports at import time have no cycle."""
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        needed = {item.module for item in imports(module) if item.at_start and item.module in FILES}
        graph[module] = needed - {module}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_what_may_not_be_in_the_source(module: str) -> None:
    for node in ast.walk(tree(module)):
        assert not isinstance(node, ast.Assert), f"{module}: assert in line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            caught = [part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)] if node.type else []
            assert caught, f"{module}: a bare except in line {node.lineno}"
            cleans_up = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            broad = not {"Exception", "BaseException"}.isdisjoint(caught)
            assert cleans_up or not broad, f"{module}: a broad except in line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert "*" not in [name.name for name in node.names], f"{module}: import * in line {node.lineno}"
        if isinstance(node, ast.Name):
            assert node.id != "NotImplementedError", f"{module}: line {node.lineno}"
    text = FILES[module].read_text(encoding="utf-8")
    for mark in ("TODO", "FIXME", "XXX"):
        # As a word: "TXXX" is the name of a frame.
        assert re.search(rf"\b{mark}\b", text) is None, f"{module}: {mark}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_happens_at_import(module: str) -> None:
    """A module's own statements are definitions, constants and imports: no call stands by itself, no loop runs."""
    for node in tree(module).body:
        assert not isinstance(node, ast.For | ast.While | ast.With | ast.Try), f"{module}: line {node.lineno}"
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func)
            assert called.startswith("app."), f"{module}: {called} is called in line {node.lineno}"


def test_no_file_is_long() -> None:
    folders = [SOURCE, ROOT / "tests", ROOT / "benchmarks"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > 400} == {}
