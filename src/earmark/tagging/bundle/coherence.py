"""Makes the probabilities of related tags coherent: no child above its parent, no opposites above 1 together.

For log odds, both rules are comparisons: a child is at or below its parent, and a tag is at or below the negation of
its opposite, whose log odds are those of the opposite with the other sign. Tags and their negations therefore form one
order, in which "opera" is below "vocals", "vocals" below "not instrumental", and "instrumental" below "not opera".

Choice: each tag moves to the middle between the highest log odds of all tags that imply it and the lowest of all that
it implies. No coherent answer has a smaller largest change (isotonic regression in the maximum norm): a child and a
parent that contradict each other meet half way, since it is unknown which of them errs. There is a closed form for any
order without circles, tags that are already coherent keep their exact values, and raising a tag's own log odds never
lowers its result.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.tagging.bundle.card import TagName

LogOdds = npt.NDArray[np.float64]
_Places = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Relations:
    """The order of some tags, prepared for `coherent`.

    A statement is a tag, numbered by its place, or a tag's negation, whose number is the tag's plus how many tags there
    are. `places`: (related tags,), the tags that are related to any other. `below` and `above`: for each related tag in
    turn, the statements that imply it and those that it implies, both including itself; `below_starts` and
    `above_starts`: (related tags,), where the statements of each tag begin.
    """

    places: _Places
    below: _Places
    below_starts: _Places
    above: _Places
    above_starts: _Places

    def coherent(self, odds: LogOdds) -> LogOdds:
        """Make log odds (..., tags) coherent: the same shape, float64; unrelated tags stay as they are."""
        if not len(self.places):
            return odds
        # Statements first, since reductions of small runs along the last axis are slow.
        moved = np.moveaxis(odds, -1, 0).copy()
        statements = np.concatenate([moved, -moved])
        highest = np.maximum.reduceat(statements[self.below], self.below_starts)
        lowest = np.minimum.reduceat(statements[self.above], self.above_starts)
        moved[self.places] = (highest + lowest) / 2
        return np.ascontiguousarray(np.moveaxis(moved, 0, -1))


def relations_of(tags: Sequence[TagName]) -> Relations:
    """Return the relations of tags, without those to tags that are not among them."""
    place_of = {tag.label: place for place, tag in enumerate(tags)}
    count = len(tags)
    implied: dict[int, set[int]] = {}

    def imply(one: int, other: int) -> None:
        implied.setdefault(one, set()).add(other)
        implied.setdefault(_negated(other, count), set()).add(_negated(one, count))

    for place, tag in enumerate(tags):
        for label in tag.parents:
            if label in place_of:
                imply(place, place_of[label])
        for label in tag.opposites:
            if label in place_of:
                imply(place, _negated(place_of[label], count))
    places = sorted({statement % count for statement in implied})
    above = [_reached(place, implied) for place in places]
    # What implies a tag is the negation of what its negation implies.
    below = [[_negated(each, count) for each in _reached(place + count, implied)] for place in places]
    return Relations(np.array(places, np.intp), *_in_a_row(below), *_in_a_row(above))


def self_excluding(tags: Sequence[TagName]) -> tuple[str, ...]:
    """Return the labels of the tags that imply what they exclude, whose probability could never exceed one half."""
    relations = relations_of(tags)
    implied = np.split(relations.above, relations.above_starts[1:])
    return tuple(
        tags[place].label
        for place, above in zip(relations.places.tolist(), implied, strict=False)
        if place + len(tags) in above
    )


def restricted(tags: Sequence[TagName], kept: Sequence[int]) -> tuple[TagName, ...]:
    """Return some of the tags, by their places, with the relations that they have directly or through the others."""
    place_of = {tag.label: place for place, tag in enumerate(tags)}
    children: dict[str, list[str]] = {}
    for tag in tags:
        for parent in tag.parents:
            children.setdefault(parent, []).append(tag.label)
    parents = {tag.label: list(tag.parents) for tag in tags}
    labels = {tags[place].label for place in kept}
    opposites: dict[str, list[str]] = {}
    for tag in tags:
        for other in tag.opposites:
            for one in _nearest_kept(tag.label, labels, children):
                opposites.setdefault(one, []).extend(_nearest_kept(other, labels, children))
    found = []
    for place in kept:
        tag = tags[place]
        above = [
            near for parent in tag.parents if parent in place_of for near in _nearest_kept(parent, labels, parents)
        ]
        found.append(
            dataclasses.replace(
                tag, parents=tuple(dict.fromkeys(above)), opposites=tuple(dict.fromkeys(opposites.get(tag.label, ())))
            )
        )
    return tuple(found)


def _negated(statement: int, count: int) -> int:
    return statement + count if statement < count else statement - count


def _reached(start: int, steps: Mapping[int, set[int]]) -> list[int]:
    """Return all that can be reached from a start, itself included, in order."""
    found, waiting = {start}, [start]
    while waiting:
        new = steps.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return sorted(found)


def _nearest_kept(label: str, kept: set[str], steps: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a label that is kept, or in its place the nearest ones that are, in the direction of the steps."""
    if label in kept:
        return [label]
    return [near for step in steps.get(label, ()) for near in _nearest_kept(step, kept, steps)]


def _in_a_row(lists: Sequence[Sequence[int]]) -> tuple[_Places, _Places]:
    """Return lists one after the other, and where each begins."""
    lengths = np.array([len(each) for each in lists], np.intp)
    return np.array([each for one in lists for each in one], np.intp), np.cumsum(lengths) - lengths
