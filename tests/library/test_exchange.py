import dataclasses
import json
import os
from pathlib import Path
from urllib.parse import quote_from_bytes

import numpy as np
import pytest
from library.engines import Scripted, honest, making
from library.poison import odd_name
from library.synthetic import fill
from training.sounds import write_noise

from earmark.errors import LibraryError, MissingExtraError
from earmark.library import exchange
from earmark.library.exchange import export_records, jsonl_lines
from earmark.library.library import Library
from earmark.tagging.tagger import Tagger

ENDINGS = [".jsonl", ".parquet"]


@pytest.fixture
def heard(library: Library, tagger: Tagger, tmp_path: Path) -> Library:
    """Three files that were listened to, one of a name that is no text."""
    for number in range(3):
        write_noise(tmp_path / "music" / f"{number}.flac", number, 60_000)
    os.rename(tmp_path / "music" / "2.flac", odd_name(tmp_path / "music"))  # noqa: PTH104
    library.add(tmp_path / "music", jobs=1)
    assert len(library) == 3
    return library


def needs(ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="needs the extra export")


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_goes_out_comes_back_to_the_bit(heard: Library, tagger: Tagger, tmp_path: Path, ending: str) -> None:
    needs(ending)
    file = tmp_path / f"tracks{ending}"
    assert heard.export_to(file) == 3
    with Library(tmp_path / "other.earmark", tagger) as other:
        assert other.import_from(file) == 3
        for number in range(1, 4):
            given, got = heard.track(number), other.track(heard.track(number).paths[0])
            assert (got.identity, got.paths, got.duration_seconds) == (
                given.identity,
                given.paths,
                given.duration_seconds,
            )
            assert (got.decoder, got.version, got.short) == (given.decoder, given.version, given.short)
            np.testing.assert_array_equal(got.logits, given.logits)
            np.testing.assert_array_equal(other.database.embedding(got.id), heard.database.embedding(given.id))
            np.testing.assert_array_equal(other.over_time(got.id).scores, heard.over_time(given.id).scores)  # type: ignore[union-attr]
        assert other.import_from(file) == 0, "what is known stays"
        assert len(other) == 3
        assert [each.path for each in other.search("NOT path:nowhere")] == [
            each.path for each in heard.search("NOT path:nowhere")
        ]


def test_an_import_leaves_a_newer_card_as_it_is(heard: Library, tagger: Tagger, tmp_path: Path) -> None:
    """The weights are the same, so is the model; what it makes of them may have been fitted anew."""
    file = tmp_path / "tracks.jsonl"
    heard.export_to(file)
    with Library(tmp_path / "other.earmark", tagger) as other:
        newer = dataclasses.replace(tagger.card, licence="fitted anew")
        number = other.database.model_id(newer)
        assert other.import_from(file) == 3
        assert other.database.models()[number].licence == "fitted anew"


def test_an_import_keeps_a_recording_that_stands_twice(heard: Library, tagger: Tagger, tmp_path: Path) -> None:
    """Once as an older version identified it, by its packets alone, and once with how they are decoded."""
    file = tmp_path / "tracks.jsonl"
    older = "packets:" + "ab" * 16
    heard.store.run("UPDATE tracks SET identity = ? WHERE id = 1", (older,))
    heard.store.run("UPDATE tracks SET identity = ? WHERE id = 2", (f"{older}-0123abcd",))
    heard.export_to(file)
    with Library(tmp_path / "other.earmark", tagger) as other:
        assert other.import_from(file) == 3
        assert len(other) == 3


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_imported_library_listens_to_nothing_that_it_knows(
    heard: Library, tagger: Tagger, tmp_path: Path, ending: str
) -> None:
    needs(ending)
    file = tmp_path / f"tracks{ending}"
    heard.export_to(file)
    with Library(tmp_path / "other.earmark", tagger) as other:
        other.import_from(file)
        engine = Scripted(honest(tagger))
        added = other.add(tmp_path / "music", engine=making(engine))
        assert {work for work, _ in engine.asked} == {"identify"}
        assert (added.same, added.recordings) == (3, 0)


@pytest.mark.parametrize("ending", ENDINGS)
def test_it_can_be_read_without_earmark(heard: Library, tagger: Tagger, tmp_path: Path, ending: str) -> None:
    needs(ending)
    file = tmp_path / f"tracks{ending}"
    heard.export_to(file)
    if ending == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(file).to_pylist()
    else:
        rows = [json.loads(line) for line in file.read_text(encoding="ascii").splitlines()[1:]]
    assert len(rows) == 3
    assert rows[0]["labels"] == list(tagger.labels)
    assert rows[0]["head_hash"] == tagger.card.head.hash
    expected = tagger.tag(tmp_path / "music" / "0.flac").probabilities
    np.testing.assert_allclose(rows[0]["probabilities"], expected, rtol=1e-5)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX systems only")
def test_every_name_is_unicode_and_the_bytes_stand_beside_it(heard: Library, tmp_path: Path) -> None:
    """A lone surrogate, as Python has it in such a name, is no JSON for many parsers."""
    heard.export_to(tmp_path / "tracks.jsonl")
    lines = (tmp_path / "tracks.jsonl").read_text(encoding="ascii").splitlines()
    records = [json.loads(line) for line in lines[1:]]
    for record in records:
        assert json.dumps(record, ensure_ascii=False).encode("utf-8")
    (odd,) = [record for record in records if "path_bytes" in record]
    assert odd["path_bytes"] == [quote_from_bytes(os.fsencode(odd_name(tmp_path / "music")))]
    assert "\ufffd" in odd["paths"][0]
    assert list(jsonl_lines(export_records(heard.database))) == lines


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX systems only")
def test_names_as_an_older_version_wrote_them_are_read(heard: Library, tagger: Tagger, tmp_path: Path) -> None:
    file = tmp_path / "tracks.jsonl"
    heard.export_to(file)
    lines = file.read_text(encoding="ascii").splitlines()
    records = [json.loads(line) for line in lines[1:]]
    for record, number in zip(records, range(1, 4), strict=True):
        record.pop("path_bytes", None)
        record["paths"] = list(heard.track(number).paths)
    file.write_text("\n".join([lines[0], *map(json.dumps, records)]), encoding="ascii")
    with Library(tmp_path / "other.earmark", tagger) as other:
        assert other.import_from(file) == 3
        assert other.knows(odd_name(tmp_path / "music"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_embeddings_it_is_small_and_cannot_be_imported(
    library: Library, tagger: Tagger, tmp_path: Path, ending: str
) -> None:
    needs(ending)
    fill(library, 30)
    whole, small = tmp_path / f"whole{ending}", tmp_path / f"small{ending}"
    library.export_to(whole)
    assert library.export_to(small, embeddings=False) == 30
    assert small.stat().st_size < whole.stat().st_size
    with (
        Library(tmp_path / "other.earmark", tagger) as other,
        pytest.raises(LibraryError, match=r"record 1: found .*, expected a track as .* with its embedding"),
    ):
        other.import_from(small)


def test_other_files_are_refused(library: Library, tmp_path: Path) -> None:
    text = tmp_path / "text.jsonl"
    head = '{"format": "earmark-library", "version": 1'
    broken = (f"{head}}}", f'{head}, "models": 3}}', f'{head}, "models": {{"one": {{}}}}}}')
    for content in ("no json", '{"format": "other"}\n', "[1]\n", "", *broken):
        text.write_text(content)
        with pytest.raises(LibraryError, match=r"text\.jsonl: "):
            library.import_from(text)
    with pytest.raises(LibraryError, match="cannot be read"):
        library.import_from(tmp_path / "absent.jsonl")
    with pytest.raises(LibraryError, match="cannot be written"):
        library.export_to(tmp_path / "absent" / "tracks.jsonl")


def test_other_parquet_is_refused(library: Library, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra export")
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(LibraryError, match="found Parquet without the models of a library"):
        library.import_from(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(LibraryError, match="expected a Parquet file"):
        library.import_from(tmp_path / "text.parquet")


def test_a_record_that_does_not_fit_its_model_is_refused(library: Library, tagger: Tagger, tmp_path: Path) -> None:
    fill(library, 2)
    file = tmp_path / "tracks.jsonl"
    library.export_to(file)
    lines = file.read_text().splitlines()
    second = json.loads(lines[2])
    second["logits"].append(0.0)
    file.write_text("\n".join([*lines[:2], json.dumps(second)]))
    with (
        Library(tmp_path / "other.earmark", tagger) as other,
        pytest.raises(LibraryError, match="record 2: found 6 logits"),
    ):
        other.import_from(file)


def test_without_the_extra_there_is_the_line_that_installs_it(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    fill(library, 1)
    monkeypatch.setattr(exchange.importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r'pip install "earmark\[export\]"'):
        library.export_to(tmp_path / "tracks.parquet")


@pytest.mark.parametrize("names", [3, [3], [None]])
def test_names_that_are_none_are_told_with_their_record(heard: Library, tmp_path: Path, names: object) -> None:
    file = tmp_path / "tracks.jsonl"
    heard.export_to(file)
    head, *lines = file.read_text(encoding="ascii").splitlines()
    record = json.loads(lines[0]) | {"path_bytes": names}
    file.write_text(f"{head}\n{json.dumps(record)}\n", encoding="ascii")
    other = Library(tmp_path / "other.earmark", make=True)
    with other, pytest.raises(LibraryError, match="record 1: found"):
        other.import_from(file)
