"""A vocabulary: the tags that a model speaks, whose words each of them is made of, and what follows from a tag.

One TOML file: a table a tag with its label, its group and its sources, and a list of what was left out with reasons.
A source is a list of labels by one teacher, or by listeners: those of one source are one tag. Teachers with the same
labels may be named as a family.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VocabularyTag(_Part):
    """A tag and, by source, the labels that are one with it.

    synonyms: other words that a person may use for it. parents: labels of tags that it implies, such as vocals of
    opera. opposites: labels of tags that it excludes, such as instrumental of vocals.
    """

    label: str = Field(min_length=1)
    group: str = Field(min_length=1)
    sources: dict[str, tuple[str, ...]] = Field(min_length=1)
    synonyms: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    opposites: tuple[str, ...] = ()


class Vocabulary(_Part):
    """The tags of a model in order, and what was left out, with the reason.

    families: by a name that stands among the sources of tags, the teachers that it stands for. denials: by source and
    label the tags that it denies: a piece that was published as classical is no jazz, though nobody said so.
    """

    name: str
    tags: tuple[VocabularyTag, ...] = Field(min_length=1)
    families: dict[str, tuple[str, ...]] = {}
    denials: dict[str, dict[str, tuple[str, ...]]] = {}
    left_out: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "Vocabulary":
        labels = [tag.label for tag in self.tags]
        words = [word.casefold() for tag in self.tags for word in (tag.label, *tag.synonyms)]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        named = [(tag.label, (*tag.parents, *tag.opposites)) for tag in self.tags]
        named += [each for denied in self.denials.values() for each in denied.items()]
        for label, others in named:
            for other in others:
                if other not in labels:
                    raise ValueError(f"{label!r} names {other!r}, which is no tag of this vocabulary")
        try:
            TopologicalSorter({tag.label: tag.parents for tag in self.tags}).prepare()
        except CycleError as error:
            raise ValueError(f"tags imply each other in a circle: {' implies '.join(error.args[1][::-1])}") from error
        for tag in self.tags:
            implied = {tag.label, *self.ancestors(tag.label)}
            excluded = {other for each in self.tags if each.label in implied for other in each.opposites}
            if implied & excluded:
                raise ValueError(f"{tag.label!r} implies what it excludes: {', '.join(sorted(implied & excluded))}")
        return self

    @property
    def names(self) -> tuple[TagName, ...]:
        """The tags as a card names them."""
        return tuple(TagName(tag.label, tag.group, tag.synonyms, tag.parents, tag.opposites) for tag in self.tags)

    @cached_property
    def _by_word(self) -> dict[str, str]:
        return {word.casefold(): tag.label for tag in self.tags for word in (tag.label, *tag.synonyms)}

    def label_of(self, word: str) -> str | None:
        """Return the label that a word stands for, itself or as a synonym, whatever its case; None for no tag's."""
        return self._by_word.get(word.strip().casefold())

    def ancestors(self, label: str) -> tuple[str, ...]:
        """Return every tag that a tag implies, its parents and theirs, in the order of the vocabulary.

        Raises DatasetError for a label that is no tag's.
        """
        parents = {tag.label: tag.parents for tag in self.tags}
        if label not in parents:
            raise DatasetError(f"Vocabulary {self.name} has no tag {label!r}; ask for one of {', '.join(parents)}.")
        found: set[str] = set()
        waiting = [label]
        while waiting:
            new = [parent for parent in parents[waiting.pop()] if parent not in found]
            found.update(new)
            waiting += new
        return tuple(each for each in parents if each in found)

    def sources_of(self, tag: VocabularyTag) -> dict[str, tuple[str, ...]]:
        """Return a tag's labels by teacher, each family replaced by its teachers; a teacher's own entry comes first."""
        of_families = {
            teacher: labels
            for source, labels in tag.sources.items()
            for teacher in self.families.get(source, ())
            if teacher not in tag.sources
        }
        return {source: labels for source, labels in tag.sources.items() if source not in self.families} | of_families

    def merge(
        self, scores: Mapping[str, npt.NDArray[np.float32]], labels: Mapping[str, tuple[str, ...]]
    ) -> npt.NDArray[np.float32]:
        """Scores of sources, each (windows, its labels) in 0..1 with NaN for unknown, as one: (windows, tags) float32.

        Choice: over sources that know the track, the mean of what `said_by` gives.

        Raises:
            DatasetError: the vocabulary names a source or label that is not there.
        """
        windows = len(next(iter(scores.values())))
        columns = []
        for tag in self.tags:
            stacked = np.stack([self.said_by(tag, source, scores, labels) for source in self.sources_of(tag)])
            known = ~np.isnan(stacked)
            total = np.where(known, stacked, 0).sum(axis=0)
            counted = known.sum(axis=0)
            columns.append(np.divide(total, counted, out=np.full(windows, np.nan), where=counted > 0))
        merged: npt.NDArray[np.float32] = np.stack(columns, axis=1).astype(np.float32)
        return merged

    def said_by(
        self,
        tag: VocabularyTag,
        source: str,
        scores: Mapping[str, npt.NDArray[np.float32]],
        labels: Mapping[str, tuple[str, ...]],
    ) -> npt.NDArray[np.float64]:
        """What one source says of a tag, (windows,) in 0..1, from its scores, (windows, its labels).

        Choice: the chance that at least one of its labels for the tag is said, 1 - Π(1 - p), as listeners who mean the
        same choose one word or another.

        Raises:
            DatasetError: the source or one of the labels is not there.
        """
        places = self.places(tag, source, labels.get(source, ()))
        said: npt.NDArray[np.float64] = 1 - np.prod(1 - scores[source][:, places].astype(np.float64), axis=1)
        return said

    def places(self, tag: VocabularyTag, source: str, labels: Sequence[str]) -> list[int]:
        """Return where among the labels of a source those of a tag are.

        Raises:
            DatasetError: one of them is not among its labels.
        """
        synonyms = self.sources_of(tag)[source]
        missing = [label for label in synonyms if label not in labels]
        if missing:
            raise DatasetError(
                f"Vocabulary {self.name}: tag {tag.label!r} takes {', '.join(missing)} from {source!r}, which "
                f"has {', '.join(labels) or 'no labels'}."
            )
        return [labels.index(label) for label in synonyms]


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check a vocabulary.

    Raises:
        DatasetError: the file is absent, no TOML, or holds a key or value that a vocabulary does not have; a tag names
            another that is not there, implies itself, or implies what it excludes.
    """
    try:
        values: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        return Vocabulary.model_validate(values)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}); expected a vocabulary, a TOML file. `earmark recipes --copy` "
            "has those that come with earmark."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not TOML: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the vocabulary'}: {problem['msg']}" for problem in error.errors()
        )
        raise DatasetError(f"{path} is not a vocabulary: {problems}.") from error
