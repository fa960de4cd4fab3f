"""A stretch of a track is explained as its window is drawn."""

import pytest
from web.served import Served, problem


def test_a_window_has_the_numbers_of_the_curve(usual: Served, song: bytes) -> None:
    identifier = usual.finished(song)
    evidence = usual.client.get(f"/v1/tracks/{identifier}").json()["evidence"]
    found = usual.client.get(f"/v1/tracks/{identifier}/stretch", params={"start": 2.0, "end": 7.0}).json()
    assert (found["start"], found["end"]) == (2.0, 7.0)
    assert found["tags"].keys() == evidence.keys()
    for label, of_tag in found["tags"].items():
        assert of_tag["probability"] == pytest.approx(evidence[label]["curve"][2], abs=2e-5)
        gained = sum(part["contribution"] for part in of_tag["parts"])
        assert gained == pytest.approx(of_tag["log_odds"] - of_tag["base"], abs=1e-3)


def test_an_end_after_the_sound_is_its_end(usual: Served, song: bytes) -> None:
    identifier = usual.finished(song)
    found = usual.client.get(f"/v1/tracks/{identifier}/stretch", params={"start": 9.0, "end": 99.0}).json()
    assert (found["start"], found["end"]) == (9.0, 12.0)


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5), ("nan", 5), (0, "inf")])
def test_what_is_no_stretch_is_refused(usual: Served, song: bytes, start: object, end: object) -> None:
    identifier = usual.finished(song)
    answer = usual.client.get(f"/v1/tracks/{identifier}/stretch", params={"start": str(start), "end": str(end)})
    if (start, end) == (0, "inf"):
        assert answer.json()["end"] == 12.0
    else:
        problem(answer, 422, "wrong-parameters")


def test_a_track_that_is_unknown_has_no_stretch(usual: Served) -> None:
    problem(usual.client.get("/v1/tracks/nothing/stretch", params={"start": 0, "end": 5}), 404, "unknown-track")
