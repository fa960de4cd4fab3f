"""Provide a transformer for pipelines of scikit-learn, from sounds to vectors (extra `teach`)."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

from earmark.errors import TagError
from earmark.library.library import Library
from earmark.tagging.engines.engine import Engine
from earmark.tagging.tagger import Tagger, load

Array = npt.NDArray[np.float32]
Layer = Literal["vector", "hidden"]


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns sounds into vectors, one row for each, as the first step of a pipeline.

    It learns nothing, so that it may transform without `fit`.

    model, engine: see `earmark.load`. layer: "vector" for the track vector, or "hidden" for the activations of the
    classifier's first hidden layer, which are fewer and better for few examples. jobs: the number of worker processes
    for paths; None for one for each available processor. library: the file of a library that keeps the vectors of
    paths, so that cross-validation hears each file once; None keeps nothing.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        engine: Engine = "numpy",
        layer: Layer = "vector",
        jobs: int | None = None,
        library: str | os.PathLike[str] | None = None,
    ) -> None:
        self.model = model
        self.engine = engine
        self.layer = layer
        self.jobs = jobs
        self.library = library

    def fit(self, X: Sequence[Any], y: object = None) -> Self:  # noqa: N803 (scikit-learn's name)
        """Load the model; X and y are not used.

        Raises TagError for an unknown layer or engine, and BundleError for an unknown model.
        """
        del X, y
        self._tagger()
        return self

    def transform(self, X: Iterable[Any]) -> Array:  # noqa: N803 (scikit-learn's name)
        """Return the vectors of sounds, (sounds, columns) float32.

        X: paths, or other sources that `Tagger.tag` takes, such as (array, rate).

        Raises BatchError for paths and the error of the sound for other sources that cannot be used, LibraryError if a
        file is not in the library, and TagError for an unknown layer.
        """
        tagger = self._tagger()
        sources = list(X)
        paths = [os.fspath(source) for source in sources if isinstance(source, str | os.PathLike)]
        if len(paths) < len(sources):
            rows = [tagger.embed(source) for source in sources]
        elif self.library is None:
            rows = [prediction.embedding for prediction in tagger.tag_many(paths, jobs=self.jobs)]
        else:
            rows = self._kept(tagger, paths)
        vectors = np.asarray(rows, np.float32).reshape(len(rows), tagger.card.vector_width)
        return tagger.hidden(vectors) if self.layer == "hidden" else vectors

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, such as "vector0"."""
        del input_features
        tagger = self._tagger()
        columns = tagger.card.head.hidden_units[0] if self.layer == "hidden" else tagger.card.vector_width
        return np.array([f"{self.layer}{number}" for number in range(columns)], object)

    def _kept(self, tagger: Tagger, paths: list[str]) -> list[Array]:
        """Return the vectors of files from the library, which analyses those that are new."""
        with Library(self.library, tagger) as library:
            library.add(*paths, jobs=self.jobs)
            return [library.database.embedding(library.track(path).id).astype(np.float32) for path in paths]

    def _tagger(self) -> Tagger:
        if self.layer not in ("vector", "hidden"):
            raise TagError(f"Embedder: found layer = {self.layer!r}, expected 'vector' or 'hidden'.")
        wanted = (self.model, self.engine)
        if getattr(self, "_loaded", (None, None))[0] != wanted:
            self._loaded = (wanted, load(self.model, self.engine))
        return self._loaded[1]

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        tags.no_validation = True
        return tags
