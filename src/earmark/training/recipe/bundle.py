"""What of a recipe's trained model becomes a bundle."""

from pydantic import Field

from earmark.training.recipe.section import Section


class BundleSection(Section):
    """What of a trained model becomes a bundle.

    name: of the model; without it the recipe's. split: to train it on, where that is none of those reported. groups: of
    tags that it keeps (none named: all); the others only helped to learn. calibrate: fit probabilities and thresholds
    on the validation sides of the recipe's splits. half_precision: round weights to float16, half the size.
    """

    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9.-]*$")
    split: str | None = None
    groups: tuple[str, ...] = ()
    calibrate: bool = False
    half_precision: bool = False
