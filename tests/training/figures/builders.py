"""A run as `earmark evaluate` keeps it, with made-up numbers: for drawing in tests, never to be stored as a result."""

import json
from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np

from earmark.training.networks.sample_level import SampleLevelShape
from earmark.training.networks.scales import levels_of
from earmark.training.recipe.recipe import parse_recipe

COMPARISONS = ("local", "single-levels", "multi-level", "multi-scale", "level-subsets", "scale-subsets")


def subsets(items: Sequence[int]) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(items, size) for size in range(1, len(items) + 1)))


def method_names(scales: Sequence[int], compare: Sequence[str], levels: str = "") -> list[str]:
    """The names that `earmark.training.evaluation.evaluate.methods` gives, in its order; `levels` such as " L1+L2"."""
    depth = {scale: levels_of(scale, SampleLevelShape()) for scale in scales}
    whole = "+".join(str(scale) for scale in scales)
    names = ["log-mel + SVM", "MFCC + logistic"] if "baselines" in compare else []
    if "local" in compare:
        names += [f"local {scale}" for scale in scales] + [f"local {whole}"] * (len(scales) > 1)
    of_kind = {
        "single-levels": [f"global {scale} L{level}" for scale in scales for level in depth[scale]],
        "level-subsets": [
            f"global {scale} {'+'.join(f'L{level}' for level in chosen)}"
            for scale in scales
            for chosen in subsets(depth[scale])
        ],
        "multi-level": [f"global {scale}{levels}" for scale in scales],
        "scale-subsets": [f"global {'+'.join(str(scale) for scale in chosen)}{levels}" for chosen in subsets(scales)],
        "multi-scale": [f"global {whole}{levels}"],
    }
    return list(dict.fromkeys([*names, *chain.from_iterable(of_kind.get(kind, []) for kind in compare)]))


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

    def result(name: str) -> dict[str, Any]:
        kind = name.split(" ")[0] if name.startswith(("local ", "global ")) else "baseline"
        gain = spread * (0 if kind != "global" else 2 + name.count("+"))
        shape = (seeds if kind == "global" else 1, splits)
        values = np.clip(centre + gain + generator.normal(0, spread / 2, shape), 0, 0.999)
        tag_values = np.clip(values.mean() + easy + generator.normal(0, spread, len(tags)), 0.3, 0.999)
        return {
            "name": name,
            "kind": kind,
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

    suffix = f" {'+'.join(f'L{level}' for level in levels)}" if levels else ""
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
        "results": [result(name) for name in method_names(scales, compare, suffix)],
    }


def write_run(folder: Path, document: dict[str, Any]) -> Path:
    """Keep a document as the run's test.json (or valid.json), and return the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{document['side']}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    return folder
