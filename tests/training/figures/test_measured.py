import json
from pathlib import Path

import pytest

from earmark.errors import TrainingError
from earmark.training.figures.measured import read_run
from training.figures.builders import make_document, write_run


def test_rows_and_their_parts(tmp_path: Path) -> None:
    document = make_document((18, 27), ("baselines", "local", "level-subsets", "multi-scale"), splits=2)
    run = read_run(write_run(tmp_path / "run", document))
    by_name = {row.name: row for row in run.rows}
    assert by_name["log-mel + SVM"].scales == by_name["MFCC + logistic"].scales == ()
    assert (by_name["local 18+27"].kind, by_name["local 18+27"].scales) == ("local", (18, 27))
    row = by_name["global 27 L1+L3"]
    assert (row.kind, row.scales, row.levels) == ("global", (27,), (1, 3))
    assert run.rows_of("global", (27,), (1, 3)) == (row,)
    assert run.rows_of("global", (27, 18)) == ()
    result = next(result for result in document["results"] if result["name"] == row.name)
    assert row.mean == result["mean"]
    assert row.deviation == result["split_deviation"], "two splits: how far they differ"
    assert row.tag_auc == {tag["label"]: tag["roc_auc"] for tag in result["pooled"]["tags"]}


def test_one_split_shows_how_far_seeds_differ(tmp_path: Path) -> None:
    document = make_document(splits=1, seeds=3)
    run = read_run(write_run(tmp_path / "run", document))
    row, result = run.rows[-1], document["results"][-1]
    assert row.deviation == result["seed_deviation"] > 0
    assert "3 seeds" in run.spread and "over seeds" in run.spread


def test_nothing_repeated_is_said(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", make_document(splits=1, seeds=1)))
    assert {row.deviation for row in run.rows} == {0.0}
    assert "no deviations" in run.spread


def test_the_footer_says_where_numbers_come_from(tmp_path: Path) -> None:
    footer = read_run(write_run(tmp_path / "run", make_document(splits=2))).footer.replace("\N{NO-BREAK SPACE}", " ")
    for part in (
        "magnatagatune e44b3db6a5ef",
        "4332 tracks of side test",
        "fold-0 05e43ecf0b01, fold-1 15e43ecf0b01",
        "local step 0, global step 0, 1, 2",
        "commit b4f0cbcf43",
    ):
        assert part in footer


def test_what_is_no_measured_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no run .*absent; .*earmark evaluate"):
        read_run(tmp_path / "absent")
    with pytest.raises(TrainingError, match=r"has no test\.json: it was not measured\. .*earmark evaluate"):
        read_run(tmp_path)
    folder = write_run(tmp_path / "run", make_document() | {"side": "valid"})
    with pytest.raises(TrainingError, match=r"only valid\.json is there\. Draw that with --side valid"):
        read_run(folder)
    assert read_run(folder, "valid").side == "valid"


@pytest.mark.parametrize("text", ["", "not JSON", "[]", '{"recipe": 1}', "null"])
def test_a_file_from_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "test.json").write_text(text)
    with pytest.raises(TrainingError, match=r"test\.json is not what earmark evaluate writes .*Measure again"):
        read_run(tmp_path)


def test_numbers_have_to_be_numbers(tmp_path: Path) -> None:
    document = make_document()
    document["results"][3]["mean"] = float("nan")
    with pytest.raises(TrainingError, match=r"results\.3\.mean"):
        read_run(write_run(tmp_path / "run", document))
    (tmp_path / "run" / "test.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_run(tmp_path / "run")


def test_the_made_up_document_is_json_as_evaluate_writes_it(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from types import SimpleNamespace
    from typing import Any

    import numpy as np

    from earmark.training.evaluation.evaluate import Evaluation, Result, methods
    from earmark.training.evaluation.metrics import measure
    from earmark.training.evaluation.report import evaluation_json
    from earmark.training.networks.scales import SampleLevelShape, levels_of
    from earmark.training.recipe.recipe import parse_recipe
    from training.builders import make_data

    compare = ("baselines", "local", "single-levels", "multi-level", "multi-scale", "level-subsets", "scale-subsets")
    data = make_data()
    recipe = parse_recipe(
        f"""
        name = "made-up"
        data = {{ dataset = "rendered", root = "nowhere", splits = ["default"] }}
        local = {{ scales = [18, 54] }}
        evaluation = {{ compare = {list(compare)}, seeds = [0, 1] }}
        """
    )
    experiment: Any = SimpleNamespace(
        recipe=recipe,
        data=data,
        local_data=data,
        levels=lambda scale: levels_of(scale, SampleLevelShape()),
    )
    names = [method.name for method in methods(experiment)]
    made_up = make_document((18, 54), compare)
    assert [result["name"] for result in made_up["results"]] == sorted(
        names, key=[result["name"] for result in made_up["results"]].index
    )
    targets = data.clips.targets
    scores = np.random.default_rng(0).uniform(0, 1, targets.shape).astype(np.float32)
    metrics = measure(scores, targets, data.dataset.labels, "multi-label")
    values = np.full((2, 1), 0.5)
    results = tuple(
        Result(method.name, method.kind, method.selection, values, metrics, scores) for method in methods(experiment)
    )
    folder = tmp_path / "run"
    folder.mkdir()
    text = evaluation_json(Evaluation(experiment, "test", targets, results))
    (folder / "test.json").write_text(text)
    run = read_run(folder)
    assert [row.name for row in run.rows] == names
    of_name = {result["name"]: (tuple(result["scales"]), tuple(result["levels"])) for result in made_up["results"]}
    assert {row.name: (row.scales, row.levels) for row in run.rows} == of_name
    assert run.tags == data.dataset.labels
    assert dict(run.groups) == {"tag 0": "tests", "tag 1": "tests"}
    assert set(json.loads(text)) == set(made_up)
