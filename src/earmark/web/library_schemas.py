"""The schemas of the API's library: tracks that were found, and what a search understood."""

from typing import Literal

from pydantic import BaseModel, Field


class LibraryAnswer(BaseModel):
    """A library."""

    tracks: int = Field(examples=[12_345])
    model: str = Field(examples=["earmark-1"])


class FoundTag(BaseModel):
    """One of a track's most probable tags."""

    label: str = Field(examples=["piano"])
    group: str = Field(examples=["instrument"])
    probability: float = Field(examples=[0.97])
    has: bool = Field(
        description="Whether the track counts as having it: its probability reaches the tag's own threshold.",
        examples=[True],
    )


class FoundReason(BaseModel):
    """Why a track was found: a tag, words in a field of its file's tags or in its path, or its similarity."""

    kind: Literal["tag", "title", "artist", "album", "genre", "path", "similar"] = Field(examples=["tag"])
    text: str = Field(description="The tag, the text of the field, or the words.", examples=["piano"])
    probability: float | None = Field(
        description="Of the tag; for `similar` the similarity, -1 to 1; otherwise null.", examples=[0.92]
    )


class FoundTrack(BaseModel):
    """A track of the library."""

    number: int = Field(examples=[7])
    name: str = Field(examples=["07 Gymnopédie.flac"])
    title: str | None = Field(description="From the file's own tags, as the following.", examples=["Gymnopédie"])
    artist: str | None = Field(examples=["Leoni"])
    album: str | None = Field(examples=["Evenings"])
    genre: str | None = Field(examples=["Classical"])
    year: int | None = Field(examples=[1999])
    score: float = Field(
        description="In the strict language the match, 0 to 1; in free words the evidence, any number; of similar "
        "tracks the similarity, -1 to 1.",
        examples=[0.93],
    )
    duration_seconds: float = Field(examples=[187.2])
    tags: list[FoundTag]
    why: list[FoundReason] = Field(description="Why a search found it; empty for similar tracks.")


class FoundAnswer(BaseModel):
    """Tracks of the library, best first."""

    tracks: list[FoundTrack]


class SearchTerm(BaseModel):
    """How a word or words of a search in free words were understood."""

    text: str = Field(examples=["sad"])
    kind: Literal["tag", "nearest", "words", "unknown"] = Field(
        description="A tag; no tag, so that the nearest are searched for; words of titles, names, genres or paths; or "
        "none of these.",
        examples=["tag"],
    )
    tags: list[str] = Field(description="The labels of the tags.", examples=[["sadness"]])
    negated: bool = Field(description="Whether tracks without the tag are wanted.")


class SearchAnswer(BaseModel):
    """A part of the results of a search, best first."""

    tracks: list[FoundTrack]
    total: int = Field(description="The number of all results.", examples=[159])
    offset: int = Field(description="How many results come before.", examples=[0])
    strict: bool = Field(description="Whether the strict language was used, so that every result fulfils the search.")
    notes: list[str] = Field(
        description="Sentences about the search.", examples=[["no such tag: rainy; searched for slow, soft"]]
    )
    terms: list[SearchTerm]
