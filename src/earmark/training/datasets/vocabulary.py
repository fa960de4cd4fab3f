"""A vocabulary: the tags that a model speaks, and whose words each of them is made of.

One TOML file: a table a tag with its label, its group and its sources, and a list of what was left out with reasons.
A source is a list of labels by one teacher, or by listeners: those of one source are synonyms.
"""

import tomllib
from collections.abc import Mapping
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
    """A tag and, by source, the labels that are one with it."""

    label: str = Field(min_length=1)
    group: str = Field(min_length=1)
    sources: dict[str, tuple[str, ...]] = Field(min_length=1)


class Vocabulary(_Part):
    """The tags of a model in order, and what was left out, with the reason."""

    name: str
    tags: tuple[VocabularyTag, ...] = Field(min_length=1)
    left_out: dict[str, str] = {}

    @model_validator(mode="after")
    def _each_once(self) -> "Vocabulary":
        labels = [tag.label for tag in self.tags]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return self

    @property
    def names(self) -> tuple[TagName, ...]:
        """The tags as a card names them."""
        return tuple(TagName(tag.label, tag.group) for tag in self.tags)

    def merge(
        self, scores: Mapping[str, npt.NDArray[np.float32]], labels: Mapping[str, tuple[str, ...]]
    ) -> npt.NDArray[np.float32]:
        """Scores of sources, each (windows, its labels) in 0..1 with NaN for unknown, as one: (windows, tags) float32.

        Choice: among the synonyms of one source, the chance that at least one of them is said, 1 - Π(1 - p), as
        listeners who mean the same choose one word or another; over sources that know the track, the mean.

        Raises:
            DatasetError: the vocabulary names a source or label that is not there.
        """
        windows = len(next(iter(scores.values())))
        columns = []
        for tag in self.tags:
            said = []
            for source, synonyms in tag.sources.items():
                missing = [label for label in synonyms if label not in labels.get(source, ())]
                if missing:
                    raise DatasetError(
                        f"Vocabulary {self.name}: tag {tag.label!r} takes {', '.join(missing)} from {source!r}, which "
                        f"has {', '.join(labels.get(source, ())) or 'no labels'}."
                    )
                places = [labels[source].index(label) for label in synonyms]
                said.append(1 - np.prod(1 - scores[source][:, places].astype(np.float64), axis=1))
            stacked = np.stack(said)
            known = ~np.isnan(stacked)
            total = np.where(known, stacked, 0).sum(axis=0)
            counted = known.sum(axis=0)
            columns.append(np.divide(total, counted, out=np.full(windows, np.nan), where=counted > 0))
        merged: npt.NDArray[np.float32] = np.stack(columns, axis=1).astype(np.float32)
        return merged


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check a vocabulary.

    Raises:
        DatasetError: the file is absent, no TOML, or holds a key or value that a vocabulary does not have.
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
