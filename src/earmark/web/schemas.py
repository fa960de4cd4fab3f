"""The schemas of the API: what requests and responses hold, as OpenAPI describes them, with examples."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from earmark.web.json_requests import MOST_TRACKS
from earmark.web.problem import MEDIA_TYPE


class ProblemAnswer(BaseModel):
    """A problem: why a request failed (RFC 9457). Some problems have further members."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(
        description="The name of the problem, which never changes.", examples=["urn:earmark:problem:too-large"]
    )
    title: str = Field(examples=["The file is too large"])
    status: int = Field(examples=[413])
    detail: str = Field(examples=["The file has more than the 200 MB that this server takes."])
    what_to_do: str = Field(examples=["Send a shorter or compressed version, such as an MP3."])


class LimitsAnswer(BaseModel):
    """The limits of a sound, and how long the server keeps it after the last request for it."""

    max_megabytes: float = Field(examples=[200.0])
    max_minutes: float = Field(examples=[60.0])
    keep_minutes: float = Field(examples=[30.0])


class HealthAnswer(BaseModel):
    """The health of the server."""

    status: Literal["ok"] = Field(examples=["ok"])
    model: str = Field(examples=["earmark-1"])
    version: str = Field(examples=["0.1.0"])
    limits: LimitsAnswer


class TagNameAnswer(BaseModel):
    """A tag of a model and its relations to other tags."""

    label: str = Field(examples=["guitar"])
    group: str = Field(examples=["instrument"])
    synonyms: list[str] = Field(description="Other words for it, which searches accept.", examples=[[]])
    parents: list[str] = Field(description="Labels of the tags that it implies.", examples=[[]])
    opposites: list[str] = Field(description="Labels of the tags that it excludes.", examples=[[]])


class ModelAnswer(BaseModel):
    """A model: its tags, scales and levels, licence and hashes."""

    name: str = Field(examples=["earmark-1"])
    labels: list[TagNameAnswer]
    default: bool = Field(examples=[True])
    calibrated: bool = Field(description="Whether its probabilities are calibrated.", examples=[True])
    scales: list[str] = Field(examples=[["18", "27", "54"]])
    scale_seconds: dict[str, float] = Field(
        description="The length of a segment of each scale.", examples=[{"18": 0.418, "27": 0.627, "54": 1.254}]
    )
    levels: dict[str, list[int]] = Field(examples=[{"18": [1, 2, 3], "27": [1, 2, 3], "54": [1, 2, 3, 4]}])
    licence: str = Field(examples=["CC-BY-4.0"])
    hashes: dict[str, str] = Field(
        description="The SHA-256 of the extractors and the head.", examples=[{"head": "9b…"}]
    )


class TagAnswerTag(BaseModel):
    """One tag of a sound."""

    label: str = Field(examples=["guitar"])
    group: str = Field(examples=["instrument"])
    probability: float = Field(ge=0, le=1, examples=[0.91])
    score: float = Field(ge=0, le=1, examples=[0.87])


class MadeByAnswer(BaseModel):
    """The model that made a prediction."""

    name: str = Field(examples=["earmark-1"])
    extractor_hashes: list[str] = Field(examples=[["17b2…", "3062…", "4605…"]])
    head_hash: str = Field(examples=["7bf6…"])
    version: str = Field(description="The version of earmark.", examples=["0.1.0"])
    engine: str = Field(examples=["numpy"])


class WithheldAnswer(BaseModel):
    """Why no tags are promised except those of other sounds than music."""

    reason: Literal["silence", "other sound", "unfamiliar"] = Field(examples=["other sound"])
    sentence: str = Field(examples=["mostly speech (92 %)"])


class OverTimeAnswer(BaseModel):
    """Tags over time: where each window starts, and its probabilities and scores in the order of the labels."""

    window_seconds: float = Field(examples=[5.0])
    hop_seconds: float = Field(examples=[2.5])
    seconds: list[float] = Field(examples=[[0.0, 2.5]])
    labels: list[str] = Field(examples=[["guitar", "drums"]])
    probabilities: list[list[float]] = Field(examples=[[[0.9, 0.1], [0.8, 0.2]]])
    scores: list[list[float]] = Field(examples=[[[0.9, 0.1], [0.8, 0.2]]])
    withheld: list[WithheldAnswer | None] = Field(description="One entry for each window.", examples=[[None, None]])


class PartAnswer(BaseModel):
    """What one level of one scale adds to a tag's log odds, with its standard error, which is 0 if it is exact."""

    extractor: str = Field(examples=["27"])
    level: int = Field(examples=[2])
    contribution: float = Field(examples=[1.31])
    error: float = Field(examples=[0.0])


class EvidenceAnswer(BaseModel):
    """Why a sound got a tag: `parts` add up to `log_odds` minus `base`; `curve` is its probability over time."""

    log_odds: float = Field(examples=[2.3])
    base: float = Field(examples=[-2.9])
    exact: bool
    parts: list[PartAnswer]
    window_seconds: float = Field(examples=[5.0])
    hop_seconds: float = Field(examples=[1.0])
    seconds: list[float] = Field(examples=[[0.0, 1.0]])
    curve: list[float] = Field(examples=[[0.91, 0.93]])
    strongest: list[list[float]] = Field(examples=[[[0.0, 12.0]]])


class StretchTag(BaseModel):
    """A tag in a stretch of a track: its probability, and why; `parts` add up to `log_odds` minus `base`."""

    probability: float = Field(ge=0, le=1, examples=[0.91])
    log_odds: float = Field(examples=[2.3])
    base: float = Field(examples=[-2.9])
    exact: bool
    parts: list[PartAnswer]


class StretchAnswer(BaseModel):
    """A stretch of a track, in seconds, and every tag in it by label."""

    start: float = Field(examples=[20.0])
    end: float = Field(examples=[25.0])
    tags: dict[str, StretchTag]


class TagAnswer(BaseModel):
    """The tags of a sound. Numbers by label are in the order of the model's labels."""

    source: str = Field(examples=["song.mp3"])
    duration_seconds: float = Field(examples=[215.4])
    truncated: bool = Field(description="Whether less sound could be decoded than the file states.")
    silent: bool = Field(description="Whether the sound is silent.")
    withheld: WithheldAnswer | None = Field(description="Why promises are withheld; null if they are not.")
    short: list[str] = Field(description="The scales whose segments are longer than the sound.", examples=[[]])
    decoder: str = Field(examples=["libsndfile 1.2.2"])
    model: MadeByAnswer
    activation: Literal["sigmoid", "softmax"]
    calibrated: bool
    probabilities: dict[str, float] = Field(examples=[{"guitar": 0.91}])
    scores: dict[str, float] = Field(examples=[{"guitar": 0.87}])
    logits: dict[str, float] = Field(examples=[{"guitar": 1.9}])
    groups: dict[str, str] = Field(examples=[{"guitar": "instrument"}])
    local_scores: dict[str, float] | None = Field(examples=[{"guitar": 0.8}])
    tags: list[TagAnswerTag] = Field(description="Tags, the most probable first.")
    over_time: OverTimeAnswer | None = Field(default=None, description="Tags over time, if requested.")
    evidence: dict[str, EvidenceAnswer] | None = Field(default=None, description="Evidence by label, if requested.")
    embedding: list[float] | None = Field(default=None, description="The track vector; only of `/v1/tracks`.")


class BlockAnswer(BaseModel):
    """Columns `start` to before `stop` of a track vector: one statistic of one level of one scale."""

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
    truncated: bool = Field(description="Whether less sound could be decoded than the file states.")
    short: list[str] = Field(description="The scales whose segments are longer than the sound.", examples=[[]])


class StartedAnswer(BaseModel):
    """A track that was created: its identifier, and the addresses of its events and its sound."""

    id: str = Field(examples=["Lb0w0bQd3WqfXlZ2m6mT4g"])
    events: str = Field(examples=["/v1/tracks/Lb0w0bQd3WqfXlZ2m6mT4g/events"])
    audio: str = Field(examples=["/v1/tracks/Lb0w0bQd3WqfXlZ2m6mT4g/audio"])


class StartedBatchAnswer(BaseModel):
    """A batch that was created: its identifier, its size, and the addresses of its events and its results."""

    id: str = Field(examples=["Lb0w0bQd3WqfXlZ2m6mT4g"])
    of: int = Field(examples=[40])
    events: str = Field(examples=["/v1/batches/Lb0w0bQd3WqfXlZ2m6mT4g/events"])
    results: str = Field(examples=["/v1/batches/Lb0w0bQd3WqfXlZ2m6mT4g/results"])


class BatchAnswer(BaseModel):
    """How far a batch is: how many of its sounds are done, and how many of these failed."""

    id: str = Field(examples=["Lb0w0bQd3WqfXlZ2m6mT4g"])
    state: Literal["running", "done", "failed"]
    done: int = Field(examples=[12])
    failed: int = Field(examples=[1])
    of: int = Field(examples=[40])


class WaveformAnswer(BaseModel):
    """The waveform of a sound: the largest sample of each `seconds_per_point`."""

    seconds_per_point: float = Field(examples=[0.186])
    peaks: list[float] = Field(max_length=6_000, examples=[[0.1, 0.7, 0.4]])


class SoundAnswer(BaseModel):
    """What a sound is like in every `hop_seconds`; null where it is silent."""

    hop_seconds: float = Field(examples=[0.511])
    brightness_hz: list[float | None] = Field(description="The spectral centroid.", examples=[[1800.0, None]])
    attack_decibels: list[float | None] = Field(
        description="The largest rise of the level within 23 ms.", examples=[[14.2, None]]
    )


class TrackAnswer(BaseModel):
    """A track: its tags, tags over time, evidence, waveform, and what it sounds like."""

    id: str = Field(examples=["Lb0w0bQd3WqfXlZ2m6mT4g"])
    name: str = Field(examples=["song.mp3"])
    media_type: str = Field(examples=["audio/mpeg"])
    prediction: TagAnswer
    waveform: WaveformAnswer
    sound: SoundAnswer
    evidence: dict[str, EvidenceAnswer] = Field(description="Evidence of every tag, by label.")


_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}}

FAILURES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request, and what to do", **_PROBLEM},
    "5XX": {"description": "What is wrong with the server, and what to do", **_PROBLEM},
}
"""The failures of every address."""

BUSY: dict[int | str, dict[str, Any]] = {
    429: {
        "description": "The queue is full",
        "headers": {
            "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}, "example": 5}
        },
        **_PROBLEM,
    }
}
"""The further failure of addresses that need a slot in the queue."""

_TRACK_EVENTS = """event: waiting
data: {"ahead": 2}

event: progress
data: {"stage": "decoding", "seconds": 93.5, "of": 215.4, "share": 0.434}

event: done
data: {"track": "/v1/tracks/Lb0w0bQd3WqfXlZ2m6mT4g"}

"""
TRACK_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of events; the data of `failed` is a problem",
        "content": {
            "text/event-stream": {
                # The schema of one event: tools that check such streams compare each event with it.
                "schema": {
                    "type": "object",
                    "required": ["event", "data"],
                    "properties": {
                        "event": {"enum": ["waiting", "progress", "done", "failed"]},
                        "data": {"type": "string", "description": "JSON."},
                    },
                },
                "example": _TRACK_EVENTS,
            }
        },
    }
}
"""The response of the events of a track."""

_BATCH_EVENTS = 'event: progress\ndata: {"done": 12, "failed": 1, "of": 40}\n\n'
BATCH_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _BATCH_EVENTS}}}
}
"""The response of the events of a batch."""

BATCH_RESULTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines of JSON with `number`, `name`, and `result` (as of `/v1/tag`) or `problem`",
        "content": {kind: {"schema": {"type": "string"}} for kind in ("application/x-ndjson", "text/plain")},
    }
}
"""The response of the results of a batch."""

_LIVE_EVENTS = (
    "event: tags\n"
    'data: {"seconds": 12.539, "window_seconds": 10.0, "skipped_seconds": 0.0, "silent": false, "withheld": null, '
    '"tags": [{"label": "piano", "group": "instruments", "probability": 0.87}]}\n\n'
)
LIVE_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _LIVE_EVENTS}}}
}
"""The response of the events of the live sound."""

_BYTES = {"schema": {"type": "string", "format": "binary", "description": "The type that the bytes show."}}
SOUND_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": _BYTES, "audio/*": _BYTES}},
    206: {"description": "One range of the file", "content": {"application/octet-stream": _BYTES, "audio/*": _BYTES}},
}
"""The responses of an address that sends a sound file."""


def sound_body(*, required: bool) -> dict[str, Any]:
    """Return the description of a request body that is a sound."""
    sound = {"type": "string", "format": "binary", "description": "A sound file of any usual format."}
    form = {"type": "object", "required": ["file"], "properties": {"file": sound}}
    return {
        "requestBody": {
            "required": required,
            "description": "One sound: the field `file` of a form, or the bytes themselves, also as `audio/*`.",
            "content": {
                "multipart/form-data": {"schema": form},
                "application/octet-stream": {"schema": sound},
            },
        }
    }


def batch_body() -> dict[str, Any]:
    """Return the description of a request body that is a batch."""
    sounds = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}
    form = {"type": "object", "required": ["file"], "properties": {"file": sounds}}
    integer = {"type": "integer", "minimum": 1, "maximum": 2**62}
    numbers = {"type": "array", "items": integer, "maxItems": MOST_TRACKS}
    paths = {"type": "array", "items": {"type": "string"}, "maxItems": MOST_TRACKS}
    library = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"tracks": numbers, "paths": paths},
    }
    content = {"multipart/form-data": {"schema": form}, "application/json": {"schema": library}}
    description = "Sounds: fields `file` of a form, or tracks of the library."
    return {"requestBody": {"required": True, "description": description, "content": content}}


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Add the schema of problems to an OpenAPI document, and return it."""
    schema = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    document.setdefault("components", {}).setdefault("schemas", {})["ProblemAnswer"] = schema
    return document
