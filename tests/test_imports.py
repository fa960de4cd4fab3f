"""Rules of the source: who may import whom, and what may not be in it. Tables hold them, six loops check them."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

ERRORS = {"errors", "file_errors", "file_name"}
LAYERS = {
    "errors": set[str](),
    "file_errors": {"errors"},
    "file_name": set[str](),
    "workers": ERRORS,
    "audio": ERRORS,
    "tagging": ERRORS | {"workers", "audio"},
    "plots": ERRORS | {"audio", "tagging"},
    "training": ERRORS | {"audio", "tagging", "plots"},
    "teaching": ERRORS | {"audio", "tagging"},
    "library": ERRORS | {"workers", "audio", "tagging"},
    "sklearn": ERRORS | {"tagging", "library"},
    "torch": ERRORS | {"audio", "tagging", "training"},
    "web": ERRORS | {"workers", "audio", "tagging", "plots", "training", "teaching", "library"},
    "cli": ERRORS | {"workers", "audio", "tagging", "plots", "training", "teaching", "library", "web"},
    "__main__": {"cli"},
}
"""What each part of earmark may import, besides itself and the version number."""

TRAINING = {
    "method": set[str](),
    "networks": set[str](),
    "recipe": {"networks"},
    "datasets": set[str](),
    "data": {"recipe", "datasets"},
    "steps": {"recipe", "datasets", "data", "networks", "extras"},
    "extras": {"recipe", "data", "networks", "steps"},
    "evaluation": {"recipe", "datasets", "data", "networks", "steps"},
    "bundling": {"recipe", "datasets", "data", "networks", "steps", "evaluation"},
    "figures": {"recipe", "networks", "evaluation"},
}
"""What each part of training may import from training, besides itself."""

ONLY = {
    # earmark.torch is a model for those who have torch themselves, as earmark.sklearn is a step for their pipelines.
    "torch": {"earmark.training", "earmark.torch"},
    "lightning": {"earmark.training"},
    "scipy": {"earmark.training"},
    "pydantic": {"earmark.training", "earmark.web"},
    "sklearn": {"earmark.training", "earmark.teaching", "earmark.sklearn"},
    "soundfile": {"earmark.audio"},
    "av": {"earmark.audio"},
    "soxr": {"earmark.audio"},
    "sounddevice": {"earmark.audio"},
    "matplotlib": {"earmark.plots", "earmark.training.figures"},
    "onnxruntime": {"earmark.tagging.engines.onnx"},
    "fastapi": {"earmark.web"},
    "starlette": {"earmark.web"},
    "python_multipart": {"earmark.web.form"},
    "prometheus_client": {"earmark.web.metrics"},
    "h11": {"earmark.web.connections"},
    "uvicorn": {"earmark.web", "earmark.cli"},
    "ray": {"earmark.library.cluster"},
    "mutagen": {f"earmark.library.tag_{part}" for part in ("file", "entries", "blocks", "containers")},
    "usearch": {"earmark.library"},
    "watchfiles": {"earmark.library.watching"},
    "typer": {"earmark.cli"},
    "rich": {"earmark.cli"},
}
"""The only parts that may import a third-party package, wherever in a file."""

TAGGING_PACKAGES = sys.stdlib_module_names | {"earmark", "numpy", "safetensors", "onnxruntime"}
"""All that tagging may import."""

BROAD_EXCEPT = {"earmark.file_errors"}
"""The only modules that may catch every exception without raising it again."""

UNFINISHED = ("TODO", "FIXME", "XXX")
"""Marks of unfinished work."""

CALLED_AT_IMPORT = ("app.", "library.command")
"""The only calls that may stand by themselves in a module: those that add commands to the command line."""

LONGEST_FILE_LINES = 400

Rule = Callable[[str, str], Iterator[str]]
"""A rule takes a module's name and its text, and yields each breach as a line that names its place."""

FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
TEXTS = {module: path.read_text(encoding="utf-8") for module, path in FILES.items()}


@dataclass(frozen=True)
class Import:
    """One import of one module; `at_start` is false inside a function and in a block for type checkers only."""

    module: str
    line: int
    at_start: bool


@cache
def tree(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def imports(text: str) -> tuple[Import, ...]:
    return tuple(imports_under(tree(text), True))


def imports_under(node: ast.AST, at_start: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = at_start and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.Import):
            yield from (Import(name.name, child.lineno, at_start) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            for name in child.names:
                whole = f"{child.module}.{name.name}"
                yield Import(whole if whole in FILES else child.module or "", child.lineno, at_start)
        else:
            yield from imports_under(child, inside and not is_for_type_checkers(child))


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_within(module: str, parts: set[str]) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in parts)


def part_of(module: str, depth: int = 1) -> str:
    """The part of earmark that a module belongs to, or with depth 2 the part of that part; empty above it."""
    return dict(enumerate(module.split("."))).get(depth, "")


def layers(module: str, text: str) -> Iterator[str]:
    part = part_of(module)
    if part and part not in LAYERS:
        yield f"{module}: {part} has no row in LAYERS"
        return
    for item in imports(text):
        if not is_within(item.module, {"earmark"}):
            continue
        other = part_of(item.module)
        # earmark itself loads its parts late, so that importing it is fast.
        if part == "" and not item.at_start:
            continue
        if other not in {"", part} | LAYERS.get(part, ERRORS):
            yield f"{module}:{item.line} may not import {item.module}"


def layers_of_training(module: str, text: str) -> Iterator[str]:
    part = part_of(module, 2)
    if not is_within(module, {"earmark.training"}) or not part:
        return
    if part not in TRAINING:
        yield f"{module}: {part} has no row in TRAINING"
        return
    for item in imports(text):
        if is_within(item.module, {"earmark.training"}) and part_of(item.module, 2) not in {part} | TRAINING[part]:
            yield f"{module}:{item.line} may not import {item.module}"


def packages_in_their_places(module: str, text: str) -> Iterator[str]:
    for item in imports(text):
        package = item.module.split(".")[0]
        if package in ONLY and not is_within(module, ONLY[package]):
            yield f"{module}:{item.line} may not import {item.module}: only {', '.join(sorted(ONLY[package]))} may"


def packages_of_tagging(module: str, text: str) -> Iterator[str]:
    if is_within(module, {"earmark.tagging"}):
        for item in imports(text):
            if item.module.split(".")[0] not in TAGGING_PACKAGES:
                yield f"{module}:{item.line} may not import {item.module}"


def forbidden_statements(module: str, text: str) -> Iterator[str]:
    for node in ast.walk(tree(text)):
        if isinstance(node, ast.Assert):
            yield f"{module}:{node.lineno} assert"
        if isinstance(node, ast.ExceptHandler):
            caught = {part.id for part in ast.walk(node.type) if isinstance(part, ast.Name)} if node.type else set()
            raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if not caught:
                yield f"{module}:{node.lineno} bare except"
            elif caught & {"Exception", "BaseException"} and not raises_again and module not in BROAD_EXCEPT:
                yield f"{module}:{node.lineno} broad except"
        if isinstance(node, ast.ImportFrom) and (node.level or "*" in [name.name for name in node.names]):
            yield f"{module}:{node.lineno} relative import, or import *"
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{module}:{node.lineno} NotImplementedError"
    for mark in UNFINISHED:
        # As a word: "TXXX" is the name of a frame.
        if re.search(rf"\b{mark}\b", text):
            yield f"{module}: {mark}"


def work_at_import(module: str, text: str) -> Iterator[str]:
    for node in tree(text).body:
        if isinstance(node, ast.For | ast.While | ast.With | ast.Try):
            yield f"{module}:{node.lineno} {type(node).__name__.lower()}"
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = ast.unparse(node.value.func)
            if not called.startswith(CALLED_AT_IMPORT):
                yield f"{module}:{node.lineno} calls {called}"


def check(rule: Rule) -> None:
    """Fail with every breach of a rule in the whole source."""
    breaches = [breach for module, text in TEXTS.items() for breach in rule(module, text)]
    assert not breaches, "\n".join(["", *breaches])


def test_parts_import_only_the_parts_below_them() -> None:
    check(layers)


def test_parts_of_training_import_only_the_parts_below_them() -> None:
    check(layers_of_training)


def test_third_party_packages_stay_in_their_places() -> None:
    check(packages_in_their_places)


def test_tagging_needs_numpy_and_safetensors_alone() -> None:
    check(packages_of_tagging)


def test_no_forbidden_statement_is_in_the_source() -> None:
    check(forbidden_statements)


def test_nothing_happens_at_import() -> None:
    """A module's own statements are definitions, constants and imports."""
    check(work_at_import)


BROKEN: dict[Rule, dict[str, list[str]]] = {
    layers: {
        "earmark": ["import earmark.cli"],
        "earmark.__main__": ["import earmark.web"],
        "earmark.errors": ["from earmark.audio import decode"],
        "earmark.tagging.one": ["import earmark.training.steps", "def late():\n    from earmark.library import store"],
        "earmark.web.one": ["if TYPE_CHECKING:\n    import earmark.cli.main"],
        "earmark.unknown.one": [""],
    },
    layers_of_training: {
        "earmark.training.networks.one": ["import earmark.training.recipe.recipe", "import earmark.training"],
        "earmark.training.unknown": [""],
    },
    packages_in_their_places: {
        "earmark.web.one": ["import torch", "def late():\n    from mutagen.id3 import ID3"],
        "earmark.library.tag_file_two": ["import mutagen"],
    },
    packages_of_tagging: {"earmark.tagging.one": ["import httpx", "def late():\n    import torch.nn"]},
    forbidden_statements: {
        "earmark.audio.one": [
            "assert True",
            "try:\n    pass\nexcept:\n    raise",
            "try:\n    pass\nexcept (OSError, Exception):\n    pass",
            "from .two import three",
            "from earmark.errors import *",
            "raise NotImplementedError",
            *(f"# {mark}: later" for mark in UNFINISHED),
        ]
    },
    work_at_import: {
        "earmark.audio.one": [
            "print(1)",
            "for each in ():\n    pass",
            "while False:\n    pass",
            "try:\n    import av\nexcept ImportError:\n    av = None",
            "with open('x'):\n    pass",
        ]
    },
}
"""For each rule, modules that break it."""


def test_every_rule_finds_its_breaches() -> None:
    cases = [(rule, module, text) for rule, of in BROKEN.items() for module, texts in of.items() for text in texts]
    missed = [f"{rule.__name__}: {text!r} in {module}" for rule, module, text in cases if not list(rule(module, text))]
    assert missed == []


def test_the_source_is_found() -> None:
    assert {"earmark", "earmark.errors", "earmark.tagging.tagger", "earmark.training.steps.fit"} <= FILES.keys()
    found = {item.module for item in imports(TEXTS["earmark.training.steps.fit"])}
    assert {"torch", "lightning.fabric", "earmark.errors", "earmark.training.steps.schedule"} <= found


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for module, text in TEXTS.items():
        for node in ast.walk(tree(text)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{module}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_imports_have_no_cycle() -> None:
    """What modules import when they are imported themselves has an order."""
    graph = {
        module: {item.module for item in imports(text) if item.at_start and item.module in FILES} - {module}
        for module, text in TEXTS.items()
    }
    assert set(TopologicalSorter(graph).static_order()) == FILES.keys()


def test_files_of_tests_have_names_of_their_own() -> None:
    # pytest imports those of folders that are no packages by their plain names.
    plain = [path for path in (ROOT / "tests").rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    counted = Counter(path.name for path in plain)
    assert {name: count for name, count in counted.items() if count > 1} == {}


def test_no_file_is_long() -> None:
    folders = [SOURCE, ROOT / "tests", ROOT / "benchmarks"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE_LINES} == {}
