"""Classify the stored vectors of a library with a head, so that no file is heard again."""

import numpy as np

from earmark import __version__
from earmark.library.database import Database
from earmark.tagging.tagger import Tagger

ROWS_TOGETHER = 1_000


def classify_again(database: Database, tagger: Tagger, model_id: int) -> int:
    """Classify the stored vectors of the tagger's extractors with its head; return how many there were."""
    done = 0
    for other in database.other_heads(model_id):
        while rows := database.store.rows(
            "SELECT id, embedding FROM tracks WHERE model_id = ? LIMIT ?", (other, ROWS_TOGETHER)
        ):
            vectors = [(number, np.frombuffer(blob, "<f2").astype(np.float32)) for number, blob in rows]
            # The tagger classifies one vector at a time; so does this, to give exactly the same numbers.
            results = [
                (number, tagger.classifier(row)[0], float(tagger.distance(row)[0]))
                for number, row in ((number, vector[np.newaxis]) for number, vector in vectors)
            ]
            database.rewrite_logits(results, model_id, __version__)
            done += len(rows)
    return done
