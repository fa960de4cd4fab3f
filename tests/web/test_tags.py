"""`/v1/tag` and `/v1/embed`: a sound in, its answer out, nothing left."""

import numpy as np
import pytest
from web.served import Served, problem

from earmark.tagging.tagger import Tagger


def test_a_form_is_tagged_as_the_tagger_tags_it(usual: Served, tagger: Tagger, song: bytes) -> None:
    answer = usual.client.post("/v1/tag", files={"file": ("my song.flac", song)})
    assert answer.status_code == 200
    found = answer.json()
    expected = tagger.tag(song)
    tags = found.pop("tags")
    assert found == {**expected.to_dict(), "source": "my song.flac"}
    assert tags == [
        {"label": tag.label, "group": tag.group, "probability": tag.probability, "score": tag.score}
        for tag in expected.top(len(expected.labels))
    ]


@pytest.mark.parametrize("kind", ["application/octet-stream", "audio/flac", "video/mp4", "AUDIO/X-anything; a=b"])
def test_bytes_are_tagged_too(usual: Served, song: bytes, kind: str) -> None:
    answer = usual.client.post("/v1/tag?name=folder/a.flac&top=2", content=song, headers={"Content-Type": kind})
    assert answer.status_code == 200
    assert answer.json()["source"] == "a.flac"
    assert len(answer.json()["tags"]) == 2


def test_over_time_and_evidence_come_where_they_are_asked_for(usual: Served, tagger: Tagger, song: bytes) -> None:
    answer = usual.client.post("/v1/tag?over_time=true&evidence=true", files={"file": ("a.flac", song)}).json()
    assert answer["over_time"]["labels"] == list(tagger.labels)
    assert np.shape(answer["over_time"]["probabilities"]) == (len(answer["over_time"]["seconds"]), len(tagger.labels))
    expected = tagger.tag(song, keep_features=True)
    for label in tagger.labels:
        evidence, own = answer["evidence"][label], expected.evidence(label)
        assert [part["extractor"] for part in evidence["parts"]] == [part.extractor for part in own.parts]
        sums = [sum(part["contribution"] for part in evidence["parts"]), own.log_odds - own.base]
        assert sums[0] == pytest.approx(sums[1], abs=1e-3)
        assert evidence["curve"] == pytest.approx(own.curve, abs=1e-4)


def test_a_vector_comes_with_its_layout(usual: Served, tagger: Tagger, song: bytes) -> None:
    answer = usual.client.post("/v1/embed", files={"file": ("a.flac", song)}).json()
    np.testing.assert_array_equal(np.array(answer["embedding"], np.float32), tagger.embed(song))
    assert [(each["scale"], each["level"], each["start"], each["stop"]) for each in answer["layout"]] == [
        (block.extractor, block.level, block.start, block.stop) for block in tagger.card.layout
    ]
    assert answer["model"]["name"] == tagger.card.name


def test_nothing_is_left_of_it(usual: Served, song: bytes) -> None:
    before = sorted(usual.server.folder.iterdir())
    usual.client.post("/v1/tag", files={"file": ("a.flac", song)})
    usual.client.post("/v1/tag", files={"file": ("a.flac", b"no sound at all")})
    assert sorted(usual.server.folder.iterdir()) == before


def test_what_is_no_sound_is_a_problem(usual: Served) -> None:
    found = problem(usual.client.post("/v1/tag", files={"file": ("a.mp3", b"a shopping list")}), 422, "no-sound")
    assert "a.mp3" in str(found["detail"])
    problem(usual.client.post("/v1/tag", files={"file": ("a.mp3", b"")}), 422, "no-sound")
    body = usual.client.post("/v1/embed", content=b"", headers={"Content-Type": "audio/mpeg"})
    problem(body, 422, "no-sound")


def test_another_kind_of_body_is_a_problem(usual: Served, song: bytes) -> None:
    problem(usual.client.post("/v1/tag", content=song), 415, "wrong-type")
    problem(usual.client.post("/v1/tag", data={"file": "a"}), 415, "wrong-type")
    problem(usual.client.post("/v1/tag", json={"file": "a"}), 415, "wrong-type")


def test_a_form_without_the_file_is_a_problem(usual: Served, song: bytes) -> None:
    problem(usual.client.post("/v1/tag", files={"sound": ("a.flac", song)}), 422, "wrong-parameters")
    no_boundary = usual.client.post("/v1/tag", content=song, headers={"Content-Type": "multipart/form-data"})
    problem(no_boundary, 400, "wrong-form")
    cut = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + song[:100]
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    problem(usual.client.post("/v1/tag", content=cut, headers=headers), 400, "wrong-form")
    problem(usual.client.post("/v1/tag", content=b"nothing like it", headers=headers), 400, "wrong-form")
