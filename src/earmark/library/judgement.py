"""What is said of a library's tracks: as it was kept, or by another model with the same ears."""

import numpy as np
import numpy.typing as npt

from earmark.errors import LibraryError
from earmark.library.database import Database, Track
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card
from earmark.tagging.tagger import Tagger


class Judgement:
    """Probabilities of a library's tracks by one model.

    Without a tagger it is the model that the library was last filled with. A tagger may be any model whose extractors
    heard the tracks, such as a taught one: only its head is asked.
    """

    def __init__(self, database: Database, tagger: Tagger | None = None) -> None:
        """Raises LibraryError where there is no tagger and nothing was ever added."""
        self._database, self._tagger = database, tagger
        self.card: Card = database.current_card()[1] if tagger is None else tagger.card

    def __call__(self, track: Track) -> npt.NDArray[np.float32]:
        """(tags,) float32, 0 to 1; raises LibraryError where the model cannot say it without listening."""
        models = self._database.models()
        heard = models[track.model_id]
        if heard.head.hash == self.card.head.hash and _ears(heard) == _ears(self.card):
            return probabilities(track.logits, self.card)
        if self._tagger is None or _ears(heard) != _ears(self.card):
            raise LibraryError(
                f"track {track.id} was heard by another model ({heard.name}), expected {self.card.name}. Add its "
                "folder again with that model."
            )
        vector = self._database.embedding(track.id).astype(np.float32)
        return probabilities(self._tagger.classifier(vector[np.newaxis])[0], self.card)


def _ears(card: Card) -> tuple[str, ...]:
    return tuple(extractor.hash for extractor in card.extractors)
