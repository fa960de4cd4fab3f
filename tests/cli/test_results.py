import dataclasses

import numpy as np

from earmark.cli.results import explanation_lines
from earmark.tagging.evidence import Evidence, Part

EVIDENCE = Evidence(
    label="guitar",
    log_odds=1.0,
    base=-0.5,
    parts=(Part("18", 1, 0.25, 0.0), Part("18", 3, -0.5, 0.0), Part("59049", 3, 1.75, 0.0)),
    exact=True,
    seconds=np.arange(4.0),
    curve=np.array([0.0, 0.3, 0.99, 1.0], dtype=np.float32),
    window_seconds=5.0,
    hop_seconds=1.0,
    strongest=((1.0, 3.0), (62.0, 63.4)),
)


def test_it_reads_as_it_should() -> None:
    assert explanation_lines(EVIDENCE, 63.4) == [
        "why guitar: its log odds are -0.50 when nothing is known of a track, +1.00 here; the difference, by scale and "
        "level:",
        "  scale      L1      L3",
        "  18      +0.25   -0.50",
        "  59049           +1.75",
        "  strongest 0:01 to 0:03, 1:02 to 1:03",
        "  0:00 ▁▃██ 1:03  from 0.00 to 1.00",
    ]


def test_what_was_drawn_is_said_with_its_error() -> None:
    parts = tuple(dataclasses.replace(part, error=0.01 * part.level) for part in EVIDENCE.parts)
    drawn = dataclasses.replace(EVIDENCE, parts=parts, exact=False)
    assert explanation_lines(drawn, 63.4)[0].endswith("by scale and level (drawn; to ±0.03):")


def test_a_long_curve_is_thinned_and_its_peaks_stay() -> None:
    curve = np.zeros(1000, dtype=np.float32)
    curve[777] = 1.0
    line = explanation_lines(dataclasses.replace(EVIDENCE, curve=curve, seconds=np.arange(1000.0)), 1000.0)[-1]
    bars = line.split()[1]
    assert len(bars) == 60
    assert bars.count("█") == 1
