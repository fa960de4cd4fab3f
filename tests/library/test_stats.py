import os

import numpy as np
import pytest
from library.synthetic import fill

from earmark.library.descriptions import Description
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.tagger import Tagger


def test_what_is_counted(library: Library, tagger: Tagger) -> None:
    fill(library, 6)
    library.database.add_paths([("/copy.mp3", Stamp(1, 1), library.track(3).identity)])
    library.database.mark_missing(["/copy.mp3"], missing=True)
    library.database.add_failure("/torn.mp3", Stamp(1, 1), "torn")
    said = [
        Description("a", "Leoni", "x", "Jazz"),
        Description("b", "Leoni", "y", ""),
        Description("c", "Zoe", "y", ""),
    ]
    library.descriptions.write(
        (os.fsencode(f"/music/0/{number}.mp3"), Stamp(1, 1), each) for number, each in enumerate(said)
    )
    found = library.stats()
    assert (found.recordings, found.files, found.missing_files, found.failed_files) == (6, 7, 1, 1)
    assert (found.artists, found.albums, found.genres) == (2, 2, 1)
    assert found.seconds == sum(100.0 + number for number in range(6))
    assert found.models == {tagger.card.name: 6}
    logits = np.stack([library.track(number).logits for number in range(1, 7)])
    shares = dict(zip(tagger.card.labels, probabilities(logits, tagger.card).mean(axis=0).tolist(), strict=True))
    assert found.tags == pytest.approx(shares)
    assert list(found.tags.values()) == sorted(found.tags.values(), reverse=True)


def test_an_empty_library_has_nothing(library: Library) -> None:
    assert library.stats().recordings == 0
    assert library.stats().tags == {}
