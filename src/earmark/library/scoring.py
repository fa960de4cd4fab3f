"""Score a library's tracks with its own model, or with another model that has the same extractors."""

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.library.database import Database, Track
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card
from earmark.tagging.tagger import Tagger
from earmark.tagging.withheld import Withheld, withheld_of


class TrackScorer:
    """Computes the probabilities of a library's tracks with one model, without reading their sound.

    Without a tagger, this is the model that last added tracks to the library. A tagger may use any model with the same
    extractors, such as a taught one; then its classifier scores the stored vectors.
    """

    def __init__(self, database: Database, tagger: Tagger | None = None) -> None:
        """Choose the model.

        Raises:
            LibraryError: there is no tagger and the library is empty.
        """
        self._database, self._tagger = database, tagger
        self.card: Card = database.current_card()[1] if tagger is None else tagger.card

    def __call__(self, track: Track) -> npt.NDArray[np.float32]:
        """Return the probabilities of a track's tags: (tags,) float32, from 0 to 1.

        Raises:
            LibraryError: the track was analysed by a model with other extractors.
        """
        models = self._database.models()
        own = models[track.model_id]
        same_extractors = _extractor_hashes(own) == _extractor_hashes(self.card)
        if same_extractors and own.head.hash == self.card.head.hash:
            return probabilities(track.logits, self.card)
        if self._tagger is None or not same_extractors:
            raise LibraryError(
                f"track {track.id} was analysed by another model ({own.name}), expected {self.card.name}. Add its "
                "folder again with that model."
            )
        vector = self._database.embedding(track.id).astype(np.float32)
        return probabilities(self._tagger.classifier(vector[np.newaxis])[0], self.card)

    def withheld(self, track: Track, chances: npt.NDArray[np.float32]) -> Withheld | None:
        """Return why the model's promises about a track are withheld, or None if they are not.

        chances: the track's probabilities, (tags,) float32.
        """
        distance = track.distance
        if self._tagger is not None:
            vector = self._database.embedding(track.id).astype(np.float32)
            distance = float(self._tagger.distance(vector[np.newaxis])[0])
        return withheld_of(chances, self.card, silent=track.silent, distance=distance)


def _extractor_hashes(card: Card) -> tuple[str, ...]:
    return tuple(extractor.hash for extractor in card.extractors)
