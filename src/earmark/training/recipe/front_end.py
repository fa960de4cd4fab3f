"""What comes before the log-mel networks of a recipe."""

from pydantic import Field

from earmark.audio.logmel import LogMelSettings
from earmark.training.recipe.section import Section


class FrontEndSection(Section):
    """What comes before the log-mel networks.

    level_seconds: bring all sound to one level, by its loudness in about so many seconds before, so that loudness
    changes no score; 0: as loud as it is.
    """

    level_seconds: float = Field(0.0, ge=0)

    @property
    def settings(self) -> LogMelSettings:
        """The front end itself."""
        return LogMelSettings(level_seconds=self.level_seconds)
