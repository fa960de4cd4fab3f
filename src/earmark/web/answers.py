"""What is answered, as OpenAPI describes it, with examples."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from earmark.web.collection import ShownTrack


class ProblemAnswer(BaseModel):
    """Why a request was not answered as asked (RFC 9457); some have further members."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(description="Its name, which does not change.", examples=["urn:earmark:problem:too-large"])
    title: str = Field(examples=["The file is too large"])
    status: int = Field(examples=[413])
    detail: str = Field(examples=["The file has more than the 200 MB that this server takes."])
    what_to_do: str = Field(examples=["Send a shorter or compressed version, such as an MP3."])


class LimitsAnswer(BaseModel):
    """What a sound has to keep to, and how long it is kept after it was last asked for."""

    max_megabytes: float = Field(examples=[200.0])
    max_minutes: float = Field(examples=[60.0])
    keep_minutes: float = Field(examples=[30.0])


class HealthAnswer(BaseModel):
    """The server is there."""

    status: Literal["ok"] = Field(examples=["ok"])
    model: str = Field(examples=["earmark-1"])
    version: str = Field(examples=["0.1.0"])
    limits: LimitsAnswer


class TagNameAnswer(BaseModel):
    """A tag that a model knows."""

    label: str = Field(examples=["guitar"])
    group: str = Field(examples=["instrument"])


class ModelAnswer(BaseModel):
    """A model: what it knows, and what it is made of."""

    name: str = Field(examples=["earmark-1"])
    labels: list[TagNameAnswer]
    default: bool = Field(examples=[True])
    calibrated: bool = Field(description="Whether probabilities are more than scores.", examples=[True])
    scales: list[str] = Field(examples=[["18", "27", "54"]])
    scale_seconds: dict[str, float] = Field(
        description="How long a segment of each scale is.", examples=[{"18": 0.418, "27": 0.627, "54": 1.254}]
    )
    levels: dict[str, list[int]] = Field(examples=[{"18": [1, 2, 3], "27": [1, 2, 3], "54": [1, 2, 3, 4]}])
    licence: str = Field(examples=["CC-BY-4.0"])
    hashes: dict[str, str] = Field(description="sha256 of each extractor, and of the head.", examples=[{"head": "9b…"}])


class TagAnswerTag(BaseModel):
    """One tag of a sound."""

    label: str = Field(examples=["guitar"])
    group: str = Field(examples=["instrument"])
    probability: float = Field(ge=0, le=1, examples=[0.91])
    score: float = Field(ge=0, le=1, examples=[0.87])


class MadeByAnswer(BaseModel):
    """Which model made a prediction."""

    name: str = Field(examples=["earmark-1"])
    extractor_hashes: list[str] = Field(examples=[["17b2…", "3062…", "4605…"]])
    head_hash: str = Field(examples=["7bf6…"])
    version: str = Field(description="Of earmark.", examples=["0.1.0"])
    engine: str = Field(examples=["numpy"])


class OverTimeAnswer(BaseModel):
    """Windows along a sound: where each starts, and its probabilities and scores in the order of the labels."""

    window_seconds: float = Field(examples=[5.0])
    hop_seconds: float = Field(examples=[2.5])
    seconds: list[float] = Field(examples=[[0.0, 2.5]])
    labels: list[str] = Field(examples=[["guitar", "drums"]])
    probabilities: list[list[float]] = Field(examples=[[[0.9, 0.1], [0.8, 0.2]]])
    scores: list[list[float]] = Field(examples=[[[0.9, 0.1], [0.8, 0.2]]])


class PartAnswer(BaseModel):
    """What one level of one scale adds to a tag's log odds, and the standard error of that (0: exact)."""

    extractor: str = Field(examples=["27"])
    level: int = Field(examples=[2])
    contribution: float = Field(examples=[1.31])
    error: float = Field(examples=[0.0])


class EvidenceAnswer(BaseModel):
    """Why a sound got one tag: `parts` add up to `log_odds` minus `base`; `curve` is its probability over time."""

    log_odds: float = Field(examples=[2.3])
    base: float = Field(examples=[-2.9])
    exact: bool
    parts: list[PartAnswer]
    window_seconds: float = Field(examples=[5.0])
    hop_seconds: float = Field(examples=[1.0])
    seconds: list[float] = Field(examples=[[0.0, 1.0]])
    curve: list[float] = Field(examples=[[0.91, 0.93]])
    strongest: list[list[float]] = Field(examples=[[[0.0, 12.0]]])


class TagAnswer(BaseModel):
    """What a model heard in a sound; numbers by label are in the model's order."""

    source: str = Field(examples=["song.mp3"])
    duration_seconds: float = Field(examples=[215.4])
    truncated: bool = Field(description="Whether the file promised more sound than could be decoded.")
    short: list[str] = Field(description="The scales that the sound was too short for.", examples=[[]])
    decoder: str = Field(examples=["libsndfile 1.2.2"])
    model: MadeByAnswer
    activation: Literal["sigmoid", "softmax"]
    calibrated: bool
    probabilities: dict[str, float] = Field(examples=[{"guitar": 0.91}])
    scores: dict[str, float] = Field(examples=[{"guitar": 0.87}])
    logits: dict[str, float] = Field(examples=[{"guitar": 1.9}])
    groups: dict[str, str] = Field(examples=[{"guitar": "instrument"}])
    local_scores: dict[str, float] | None = Field(examples=[{"guitar": 0.8}])
    tags: list[TagAnswerTag] = Field(description="The most probable first.")
    over_time: OverTimeAnswer | None = Field(default=None, description="Where it was asked for.")
    evidence: dict[str, EvidenceAnswer] | None = Field(default=None, description="By label, where it was asked for.")
    embedding: list[float] | None = Field(default=None, description="The track vector, of tracks.")


class BlockAnswer(BaseModel):
    """Columns of a track vector, `stop` not included: one statistic of one level of one scale."""

    scale: str = Field(examples=["18"])
    level: int = Field(examples=[1])
    statistic: str = Field(examples=["mean"])
    start: int = Field(examples=[0])
    stop: int = Field(examples=[128])


class EmbedAnswer(BaseModel):
    """The track vector of a sound."""

    embedding: list[float] = Field(examples=[[0.12, 0.0, 1.7]])
    layout: list[BlockAnswer]
    model: MadeByAnswer
    decoder: str = Field(examples=["libsndfile 1.2.2"])
    duration_seconds: float = Field(examples=[215.4])
    truncated: bool = Field(description="Whether the file promised more sound than could be decoded.")
    short: list[str] = Field(description="The scales that the sound was too short for.", examples=[[]])


class StartedAnswer(BaseModel):
    """A sound was taken in: where its events and its sound are."""

    id: str = Field(examples=["Lb0w0bQd3WqfXlZ2m6mT4g"])
    events: str = Field(examples=["/v1/tracks/Lb0w0bQd3WqfXlZ2m6mT4g/events"])
    audio: str = Field(examples=["/v1/tracks/Lb0w0bQd3WqfXlZ2m6mT4g/audio"])


class WaveformAnswer(BaseModel):
    """The outline of a sound: the loudest sample of every stretch of `seconds_per_point`."""

    seconds_per_point: float = Field(examples=[0.186])
    peaks: list[float] = Field(max_length=1_200, examples=[[0.1, 0.7, 0.4]])


class TrackAnswer(BaseModel):
    """All that was heard in a track."""

    id: str = Field(examples=["Lb0w0bQd3WqfXlZ2m6mT4g"])
    name: str = Field(examples=["song.mp3"])
    media_type: str = Field(examples=["audio/mpeg"])
    prediction: TagAnswer
    waveform: WaveformAnswer
    evidence: dict[str, EvidenceAnswer] = Field(description="By label, of every tag.")


class LibraryAnswer(BaseModel):
    """A library."""

    tracks: int = Field(examples=[12_345])
    model: str = Field(examples=["earmark-1"])


class FoundTag(BaseModel):
    """One of a track's most probable tags."""

    label: str = Field(examples=["piano"])
    group: str = Field(examples=["instrument"])
    probability: float = Field(examples=[0.97])


class FoundTrack(BaseModel):
    """A track of the library."""

    number: int = Field(examples=[7])
    name: str = Field(examples=["07 Gymnopédie.flac"])
    score: float = Field(description="How well it fits, or how alike it is.", examples=[0.93])
    duration_seconds: float = Field(examples=[187.2])
    tags: list[FoundTag]


class FoundAnswer(BaseModel):
    """Tracks of the library, the best first."""

    tracks: list[FoundTrack]


def found_answer(found: Iterable[ShownTrack]) -> FoundAnswer:
    """What a search has found, as it is answered."""
    return FoundAnswer(
        tracks=[
            FoundTrack(
                number=each.number,
                name=each.name,
                score=each.score,
                duration_seconds=each.duration_seconds,
                tags=[
                    FoundTag(label=shown.tag.label, group=shown.tag.group, probability=shown.probability)
                    for shown in each.tags
                ],
            )
            for each in found
        ]
    )
