"""How training segments are varied."""

from pydantic import Field

from earmark.training.recipe.section import Section


class AugmentationSection(Section):
    """How training segments are varied beside their gain; all off by default.

    equalisation_decibels: the deviation of each of three smooth curves over frequency. mixing_share: the share of
    segments that are mixed with another, targets too, by up to a half. noise_share: the share that gets noise, 10 to
    40 dB below. band_limit_share: the share that loses all above a random frequency from 3 kHz on, as codecs do.
    pitch_semitones: up to so much higher or lower. tempo_deviation: up to this share faster or slower (0.1: a tenth).
    """

    equalisation_decibels: float = Field(0.0, ge=0)
    mixing_share: float = Field(0.0, ge=0, le=1)
    noise_share: float = Field(0.0, ge=0, le=1)
    band_limit_share: float = Field(0.0, ge=0, le=1)
    pitch_semitones: float = Field(0.0, ge=0, le=12)
    tempo_deviation: float = Field(0.0, ge=0, le=1)

    @property
    def changes_magnitudes(self) -> bool:
        """Whether anything here is a matter of magnitudes."""
        return bool(self.equalisation_decibels or self.mixing_share or self.noise_share or self.band_limit_share)
