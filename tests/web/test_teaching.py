"""A word is taught from tracks of a library, over HTTP, and saved as the command saves it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from web.served import Served, problem, served

from earmark.library.library import Library
from earmark.tagging.tagger import Tagger

pytest.importorskip("sklearn", reason="needs scikit-learn (extra: teach)")

RATE_HZ = 22_050
LOW, HIGH = range(1, 9), range(9, 17)


@pytest.fixture(scope="module")
def school(tagger: Tagger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a library of eight low and eight high noises."""
    folder = tmp_path_factory.mktemp("school")
    generator = np.random.default_rng(0)
    for number in range(16):
        noise = generator.normal(0, 0.1, 6 * RATE_HZ)
        smooth = np.convolve(noise, np.ones(30) / 30, "same") if number < 8 else np.diff(noise, prepend=0.0)
        soundfile.write(folder / f"noise {number:02}.flac", smooth, RATE_HZ)
    path = folder / "school.earmark"
    with Library(path, tagger) as library:
        library.add(folder, jobs=1, low_priority=False)
    with served(tagger, path) as running:
        yield running


def lesson(**changed: object) -> dict[str, object]:
    return {"word": "low", "yes": [1, 2, 3, 4, 5], "no": [9, 10, 11, 12, 13]} | changed


def test_a_word_is_learned_and_all_tracks_have_it_at_once(school: Served) -> None:
    answer = school.client.post("/v1/teaching", json=lesson(count=8))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["word"], found["examples"], found["total"]) == ("low", 5, 16)
    assert found["quality"]["low"] <= found["quality"]["auc"] <= found["quality"]["high"]
    assert found["quality"]["auc"] > 0.9
    # What nobody named is recognised too, and asked about.
    assert {each["track"]["number"] for each in found["best"]} == set(LOW)
    assert {each["track"]["number"] for each in found["next"]} <= {6, 7, 8, 14, 15, 16}
    assert found["next"]
    chances = [each["probability"] for each in found["best"]]
    assert chances == sorted(chances, reverse=True)


def test_the_same_lesson_teaches_the_same(school: Served) -> None:
    answers = [school.client.post("/v1/teaching", json=lesson()).json() for _ in range(2)]
    assert answers[0] == answers[1]


def test_without_thumbs_down_others_are_drawn(school: Served) -> None:
    found = school.client.post("/v1/teaching", json=lesson(no=[])).json()
    assert found["others"] == 5


@pytest.mark.parametrize("changed", [{"yes": [1]}, {"yes": []}, {"yes": list(range(1, 17)), "no": []}])
def test_too_few_examples_are_told(school: Served, changed: dict[str, object]) -> None:
    problem(school.client.post("/v1/teaching", json=lesson(**changed)), 422, "cannot-teach")


@pytest.mark.parametrize(
    "changed", [{"word": ""}, {"word": " x"}, {"word": "a;"}, {"yes": [0]}, {"yes": ["a"]}, {"count": 0}]
)
def test_what_is_no_lesson_is_refused(school: Served, changed: dict[str, object]) -> None:
    problem(school.client.post("/v1/teaching", json=lesson(**changed)), 422, "wrong-parameters")


def test_a_track_that_is_unknown_is_refused(school: Served) -> None:
    problem(school.client.post("/v1/teaching", json=lesson(no=[99])), 404, "unknown-number")


def test_the_model_is_saved_as_the_command_saves_it(school: Served) -> None:
    answer = school.client.post("/v1/teaching/model", json=lesson(name="low-noise"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "low-noise"
    assert answer.json()["searched"] is True
    found = school.client.get("/v1/library/search", params={"q": "low AND low-noise:low>0.5", "limit": 1}).json()
    assert [reason["text"] for reason in found["tracks"][0]["why"]] == ["low-noise:low"]
    problem(school.client.post("/v1/teaching/model", json=lesson(name="low-noise")), 409, "name-taken")


def test_the_saved_model_tags(school: Served, tmp_path_factory: pytest.TempPathFactory) -> None:
    from earmark.tagging.tagger import load

    school.client.post("/v1/teaching/model", json=lesson(name="to-load"))
    folder = next(tmp_path_factory.getbasetemp().glob("school*/to-load"))
    taught = load(folder)
    assert taught.labels == ("low",)
    songs = sorted(folder.parent.glob("*.flac"))
    assert taught.tag(songs[6]).probabilities[0] > 0.5 > taught.tag(songs[14]).probabilities[0]


def test_a_model_that_no_search_can_name_is_saved_all_the_same(school: Served) -> None:
    answer = school.client.post("/v1/teaching/model", json=lesson(name="artist"))
    assert (answer.status_code, answer.json()["searched"]) == (201, False)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "..", "a b", "-x", "C:\\x"])
def test_a_name_that_is_a_path_is_refused(school: Served, name: str) -> None:
    problem(school.client.post("/v1/teaching/model", json=lesson(name=name)), 422, "wrong-parameters")


def test_without_a_library_nothing_is_taught(tagger: Tagger) -> None:
    with served(tagger) as running:
        problem(running.client.post("/v1/teaching", json=lesson()), 404, "no-library")


@pytest.mark.parametrize("name", ["earmark-1", "earmark-1-free"])
def test_a_model_of_earmark_is_not_hidden_by_a_taught_one(school: Served, name: str) -> None:
    answer = school.client.post("/v1/teaching/model", json=lesson(name=name))
    problem(answer, 409, "name-taken")


def test_of_two_models_that_are_saved_at_once_under_one_name_one_is(school: Served) -> None:
    wanted = [lesson(word=word, name="both") for word in ("first", "second")]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda each: school.client.post("/v1/teaching/model", json=each), wanted))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


def test_a_model_that_cannot_be_written_is_told_and_leaves_nothing(
    school: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("earmark.web.teaching.write_bundle", fail)
    answer = school.client.post("/v1/teaching/model", json=lesson(name="unwritten"))
    problem(answer, 507, "not-saved")
    monkeypatch.undo()
    assert school.client.post("/v1/teaching/model", json=lesson(name="unwritten")).status_code == 201


def test_only_so_many_lessons_wait(school: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.web.teaching.MOST_WAITING", 0)
    answer = school.client.post("/v1/teaching", json=lesson())
    problem(answer, 429, "full")
    assert "Retry-After" in answer.headers


@pytest.mark.parametrize("address", ["/v1/teaching", "/v1/teaching/model", "/v1/library/playlist"])
def test_bodies_of_json_have_the_limits_of_uploads(school: Served, address: str) -> None:
    answer = school.client.post(
        address, content=b"[" + b"1," * 1_000_000 + b"1]", headers={"Content-Type": "application/json"}
    )
    problem(answer, 413, "too-large")
    assert answer.json()["max_megabytes"] == pytest.approx(1.05, abs=0.01)


def test_unknown_fields_of_json_are_refused_by_name(school: Served) -> None:
    paths = school.client.get("/openapi.json").json()["paths"]
    addresses = [
        path
        for path, methods in paths.items()
        if "application/json" in methods.get("post", {}).get("requestBody", {}).get("content", {})
    ]
    assert len(addresses) >= 4
    known = {"/v1/library/playlist": {"numbers": [1]}, "/v1/batches": {"tracks": [1]}}
    for address in addresses:
        body = known.get(address) or lesson(**({"name": "unknown"} if address.endswith("/model") else {}))
        found = problem(school.client.post(address, json={**body, "extra": 1}), 422, "wrong-parameters")
        assert "extra" in str(found["errors"]), address
