import dataclasses
import json
import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("lightning", reason="needs the extra train")

from earmark.training.evaluation.evaluate import Evaluation, evaluate
from earmark.training.evaluation.report import best_of, evaluation_json, evaluation_text

if TYPE_CHECKING:
    from earmark.training.steps.experiment import Experiment


@pytest.fixture(scope="module")
def evaluation(experiment: "Experiment") -> Evaluation:
    return evaluate(experiment, "test", lambda line: None)


def test_the_text_has_a_row_a_method(evaluation: Evaluation) -> None:
    text = evaluation_text(evaluation)
    assert text.startswith("Recipe tiny, dataset rendered (")
    assert "side test, 2 tracks; seeds of the local step 5, of the global step 0, 1." in text
    split = evaluation.experiment.data.dataset.splits["default"]
    assert f"default: 8 train, 2 valid, 2 test (hash {split.hash[:12]})" in text
    rows = dict(re.findall(r"^\| ([^|]+) \| (\d\.\d{3}) \|", text, re.MULTILINE))
    assert rows == {result.name: f"{result.mean:.3f}" for result in evaluation.results}


def test_the_text_tests_the_letters_claims(evaluation: Evaluation) -> None:
    text = evaluation_text(evaluation)
    rows = re.findall(r"^\| ([^|]+) \| [+-]\d\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\] \|$", text, re.MULTILINE)
    assert rows == [
        "global against local, all scales",
        "global against local, 18",
        "global against local, 27",
        *(f"all levels against L{level}, {scale}" for scale in (18, 27) for level in (1, 2, 3)),
        "all scales against 18",
        "all scales against 27",
        "all scales against log-mel + SVM",
        "all scales against MFCC + logistic",
    ]


def test_what_is_in_no_mean_is_named(evaluation: Evaluation) -> None:
    left_out = evaluation.results[0].pooled.left_out
    assert left_out, "of two test tracks some tag is on both or neither"
    assert f"Without positives or negatives, and in no mean: {', '.join(sorted(left_out))}." in evaluation_text(
        evaluation
    )


def test_a_single_method_has_nothing_to_be_compared_with(evaluation: Evaluation) -> None:
    alone = dataclasses.replace(evaluation, results=evaluation.results[:1])
    assert "paired bootstrap" not in evaluation_text(alone)


def test_unreadable_tracks_are_told(evaluation: Evaluation) -> None:
    experiment = evaluation.experiment
    before = experiment.data
    experiment.data = dataclasses.replace(before, unreadable=("x.mp3: no sound in it",))
    try:
        assert evaluation_text(evaluation).endswith("Left out, as they could not be read:\nx.mp3: no sound in it")
    finally:
        experiment.data = before


def test_the_json_holds_every_tag(evaluation: Evaluation) -> None:
    document = json.loads(evaluation_json(evaluation), parse_constant=lambda name: pytest.fail(f"found {name}"))
    assert document["side"] == "test"
    assert document["tracks"] == 2
    assert document["recipe"]["global"]["hidden_units"] == [16, 8]
    assert document["splits"]["default"] == evaluation.experiment.data.dataset.splits["default"].hash
    assert {"earmark", "commit", "versions", "machine"} == set(document["provenance"])
    for result, found in zip(evaluation.results, document["results"], strict=True):
        assert found["name"] == result.name
        assert found["mean"] == pytest.approx(result.mean)
        assert found["pooled"]["accuracy"] is None
        tags = [tag["label"] for tag in found["pooled"]["tags"]]
        assert sorted(tags + found["pooled"]["left_out"]) == sorted(evaluation.experiment.data.dataset.labels)


def test_the_best_of_some_methods(evaluation: Evaluation) -> None:
    results = [result for result in evaluation.results if result.selection.scales == (27,)]
    best = best_of([None, *results])
    assert best is not None
    assert best.mean == max(result.mean for result in results)
    assert best_of([evaluation.find("global", (99,))]) is None


def test_a_report_reads_no_names(evaluation: Evaluation) -> None:
    """Methods may have any names: rows are found by their kind and their selection."""
    renamed = {result.name: f"method {number}" for number, result in enumerate(evaluation.results)}
    results = tuple(dataclasses.replace(result, name=renamed[result.name]) for result in evaluation.results)
    expected = evaluation_text(evaluation)
    for name in sorted(renamed, key=len, reverse=True):
        expected = expected.replace(f"| {name} |", f"| {renamed[name]} |").replace(
            f"against {name} |", f"against {renamed[name]} |"
        )
    assert evaluation_text(dataclasses.replace(evaluation, results=results)) == expected


def test_the_table_says_what_its_rows_mean(evaluation: Evaluation) -> None:
    text = evaluation_text(evaluation)
    assert "local: the mean of a CNN's own scores" in text
    story = next(line for line in text.splitlines() if line.startswith("In one line:"))
    assert f"all levels and scales {evaluation.find('global', (18, 27)).mean:.3f}" in story
