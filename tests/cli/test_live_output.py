"""The bars of a live sound: a layout that stays."""

import io

import numpy as np
import pytest
from rich.console import Console
from tagging.builders import make_bundle

from earmark.cli.live import REPLACEMENT_MARGIN, GroupRows, LiveBars, bar
from earmark.cli.output import clock
from earmark.tagging.bundle.card import TagName
from earmark.tagging.live import Live, LiveSettings, Moment
from earmark.tagging.prediction import Tag
from earmark.tagging.tagger import Tagger

RATE_HZ = 22_050


def tags(**probabilities: float) -> list[Tag]:
    found = [Tag(label, value, "group", value) for label, value in probabilities.items()]
    return sorted(found, key=lambda tag: -tag.probability)


def labels(shown: list[Tag | None]) -> list[str | None]:
    return [None if tag is None else tag.label for tag in shown]


def test_a_tag_keeps_its_place() -> None:
    rows = GroupRows(2)
    assert rows.blank() == [None, None]
    assert labels(rows.update(tags(a=0.5, b=0.4, c=0.1))) == ["a", "b"]
    assert labels(rows.update(tags(a=0.4, b=0.9, c=0.1))) == ["a", "b"], "the order does not change"
    assert labels(rows.update(tags(a=0.4, b=0.9, c=0.4 + 0.9 * REPLACEMENT_MARGIN))) == ["a", "b"], (
        "near equals do not change"
    )
    assert labels(rows.update(tags(a=0.4, b=0.9, c=0.4 + 1.1 * REPLACEMENT_MARGIN))) == ["c", "b"]
    assert [tag.probability for tag in rows.update(tags(a=0.0, b=0.3, c=0.2)) if tag] == [0.2, 0.3]


def test_two_newcomers_take_two_rows() -> None:
    rows = GroupRows(3)
    rows.update(tags(a=0.5, b=0.4, c=0.3))
    assert labels(rows.update(tags(a=0.1, b=0.9, c=0.2, d=0.8, e=0.7))) == ["d", "b", "e"]


def test_fewer_tags_than_rows() -> None:
    assert labels(GroupRows(3).update(tags(a=0.5))) == ["a", None, None]


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, ""), (1.0, "████"), (0.5, "██"), (0.53, "██▏"), (1.7, "████"), (-1.0, "")]
)
def test_bars_are_drawn_in_eighths(share: float, expected: str) -> None:
    assert bar(share, 4) == expected
    assert bar(share, 4, ascii_only=True) == "#" * len(expected.replace("▏", ""))


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "0:00"), (7.99, "0:07"), (750.0, "12:30"), (3_723.5, "1:02:03"), (360_000, "100:00:00")]
)
def test_the_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


NAMES = (*(TagName(f"tag {number}", "group of tests") for number in range(1, 6)),)


def moments(count: int) -> list[Moment]:
    live = Live(Tagger(make_bundle()), LiveSettings(2.0))
    generator = np.random.default_rng(1)
    loudness = np.repeat(generator.uniform(0, 0.9, count), 27_648)
    return live.push((loudness * generator.standard_normal(len(loudness))).astype(np.float32))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (50, 8), (24, 5)])
def test_the_layout_stays(width: int, height: int) -> None:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=True, width=width, height=height, color_system=None, legacy_windows=False
    )
    bars = LiveBars("a very long name of a stream that comes from somewhere", NAMES, None, console)
    bars.close()  # so that nothing is drawn but what is looked at
    shapes = set()
    for moment in (None, *moments(4)):
        with console.capture() as captured:
            console.print(bars._picture(moment))
        lines = captured.get().splitlines()
        assert all(len(line) <= width for line in lines)
        assert len(lines) <= height
        shapes.add(len(lines))
    assert len(shapes) == 1


def test_bars_from_the_first_to_the_whole() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24, color_system=None, legacy_windows=False)
    bars = LiveBars("a stream", NAMES, 2, console)
    assert "waiting for sound" in file.getvalue()
    heard = moments(3)
    for moment in heard:
        bars.moment(moment)
    bars.tell("a stream: something [happened] on the way")
    said = file.getvalue()
    assert all(tag.label in said for tag in heard[-1].tags(2))
    assert "0:03  the last 2 s" in said
    assert "earmark: a stream: something [happened] on the way\n" in said
    bars.close()
    bars.whole(heard[-1])
    assert file.getvalue().splitlines()[-1].startswith("  group of tests  tag")


def test_silence_and_what_was_skipped_are_said() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24, color_system=None, legacy_windows=False)
    bars = LiveBars("a stream", NAMES, None, console)
    live = Live(Tagger(make_bundle()), LiveSettings(2.0))
    live.skip(5 * RATE_HZ)
    bars.moment(live.push(np.zeros(27_648, np.float32))[0])
    last = file.getvalue().split("a stream")[-1]
    assert "skipped 5 s" in last
    assert "silence" in last
    assert "tag" not in last
    bars.close()
