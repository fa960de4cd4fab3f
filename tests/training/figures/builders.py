"""A run as `earmark evaluate` keeps it, with made-up numbers: for drawing in tests, never to be stored as a result."""

import json
from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np

from earmark.training.networks.scales import SampleLevelShape, levels_of
from earmark.training.recipe.recipe import parse_recipe

COMPARISONS = ("local", "single-levels", "multi-level", "multi-scale", "level-subsets", "scale-subsets")


def subsets(items: Sequence[int]) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(items, size) for size in range(1, len(items) + 1)))


Selected = tuple[str, str, tuple[int, ...], tuple[int, ...]]
"""A method's name, its kind, and the scales and levels that it reads."""


def selected(kind: str, scales: Sequence[int], levels: Sequence[int] = ()) -> Selected:
    words = [kind, "+".join(str(scale) for scale in scales), "+".join(f"L{level}" for level in levels)]
    return " ".join(word for word in words if word), kind, tuple(scales), tuple(levels)


def selected_methods(scales: Sequence[int], compare: Sequence[str], levels: Sequence[int] = ()) -> list[Selected]:
    """The methods that `earmark.training.evaluation.evaluate.methods` gives, in its order."""
    depth = {scale: levels_of(scale, SampleLevelShape()) for scale in scales}
    chosen: list[Selected] = []
    if "baselines" in compare:
        chosen += [(name, "baseline", (), ()) for name in ("log-mel + SVM", "MFCC + logistic")]
    if "local" in compare:
        chosen += [selected("local", [scale]) for scale in scales] + [selected("local", scales)] * (len(scales) > 1)
    of_kind = {
        "single-levels": [selected("global", [scale], [level]) for scale in scales for level in depth[scale]],
        "level-subsets": [selected("global", [scale], some) for scale in scales for some in subsets(depth[scale])],
        "multi-level": [selected("global", [scale], levels) for scale in scales],
        "scale-subsets": [selected("global", some, levels) for some in subsets(scales)],
        "multi-scale": [selected("global", scales, levels)],
    }
    return list(dict.fromkeys([*chosen, *chain.from_iterable(of_kind.get(kind, []) for kind in compare)]))


def make_document(
    scales: Sequence[int] = (18, 27, 54),
    compare: Sequence[str] = COMPARISONS,
    tags: Sequence[str] = ("guitar", "happy", "80s", "sad"),
    groups: Sequence[str] = (),
    splits: int = 1,
    seeds: int = 3,
    task: str = "multi-label",
    levels: Sequence[int] = (),
    centre: float = 0.89,
    spread: float = 0.003,
) -> dict[str, Any]:
    """The document, as `earmark.training.evaluation.report.evaluation_json` lays it out."""
    generator = np.random.default_rng(0)
    names = [f"fold-{number}" if splits > 1 else "mtat-lee" for number in range(splits)]
    recipe = parse_recipe(
        f"""
        name = "made-up"
        data = {{ dataset = "magnatagatune", root = "nowhere", splits = {json.dumps(names)} }}
        local = {{ scales = {list(scales)} }}
        global = {{ levels = {json.dumps(list(levels) or "all")} }}
        evaluation = {{ compare = {json.dumps(list(compare))}, seeds = {list(range(seeds))} }}
        """
    )
    easy = generator.uniform(-0.08, 0.08, len(tags))

    def result(name: str, kind: str, scales: tuple[int, ...], levels: tuple[int, ...]) -> dict[str, Any]:
        gain = spread * (0 if kind != "global" else 2 + name.count("+"))
        shape = (seeds if kind == "global" else 1, splits)
        values = np.clip(centre + gain + generator.normal(0, spread / 2, shape), 0, 0.999)
        tag_values = np.clip(values.mean() + easy + generator.normal(0, spread, len(tags)), 0.3, 0.999)
        return {
            "name": name,
            "kind": kind,
            "scales": scales,
            "levels": levels,
            "values": values.tolist(),
            "mean": float(values.mean()),
            "split_deviation": float(values.mean(axis=0).std()),
            "seed_deviation": float(values.mean(axis=1).std()),
            "pooled": {
                "roc_auc": float(tag_values.mean()),
                "pr_auc": 0.4,
                "accuracy": float(values.mean()) if task == "one-label" else None,
                "tags": [
                    {"label": tag, "roc_auc": float(value), "pr_auc": 0.4, "positives": 40, "negatives": 360}
                    for tag, value in zip(tags, tag_values, strict=True)
                ],
                "left_out": [],
            },
        }

    return {
        "recipe": recipe.model_dump(mode="json", by_alias=True),
        "dataset": {
            "name": "magnatagatune",
            "hash": "e44b3db6a5ef" + "0" * 52,
            "task": task,
            "groups": dict(zip(tags, groups or ["tags"] * len(tags), strict=True)),
        },
        "splits": {name: f"{number}5e43ecf0b0" + "1" * 53 for number, name in enumerate(names)},
        "side": "test",
        "tracks": 4332,
        "local": {"tags": len(tags), "task": task},
        "provenance": {"earmark": "0.1.0", "commit": "b4f0cbcf43", "versions": {}, "machine": "x86_64, 2 threads"},
        "results": [result(*method) for method in selected_methods(scales, compare, levels)],
    }


def write_run(folder: Path, document: dict[str, Any]) -> Path:
    """Keep a document as the run's test.json (or valid.json), and return the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{document['side']}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    return folder
