"""What a live sound is like at one moment: the tags of the seconds before it."""

from collections import Counter
from dataclasses import dataclass

from earmark.tagging.prediction import Prediction, Tag


@dataclass(frozen=True, eq=False)
class Moment:
    """What a sound was like up to a moment.

    `seconds`: the moment, from the start of the sound, what was skipped counted too. `prediction`: of the stretch
    before it: the window, or all there was. `silent`: whether nothing could be heard in that stretch; a prediction is
    there all the same, but it says what a model makes of silence. `skipped_seconds`: so far in all.
    """

    seconds: float
    prediction: Prediction
    silent: bool
    skipped_seconds: float

    def tags(self, top: int | None = None) -> list[Tag]:
        """The tags, most probable first, at most `top` of each group; none in silence."""
        return [] if self.silent else top_of_groups(self.prediction, top)

    def to_dict(self, top: int | None = None) -> dict[str, object]:
        """Plain dictionaries, lists, text and numbers, for JSON."""
        return {
            "seconds": round(self.seconds, 3),
            "window_seconds": round(self.prediction.duration_seconds, 3),
            "skipped_seconds": round(self.skipped_seconds, 3),
            "silent": self.silent,
            "tags": [
                {"label": tag.label, "group": tag.group, "probability": tag.probability} for tag in self.tags(top)
            ],
        }


def top_of_groups(prediction: Prediction, top: int | None) -> list[Tag]:
    """The tags of a prediction, most probable first, at most `top` of each group; all of them for None."""
    chosen: list[Tag] = []
    taken: Counter[str] = Counter()
    for tag in prediction.top(len(prediction.tags)):
        taken[tag.group] += 1
        if top is None or taken[tag.group] <= top:
            chosen.append(tag)
    return chosen
