"""`/v1/library`: the collection as a whole: its map, its tags over time, and playlists of its tracks."""

import asyncio
import threading
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, FailFast, Field

from earmark.library.map import CollectionMap, map_of
from earmark.web import problems
from earmark.web.json_requests import MOST_TRACKS, JsonRequest, JsonRoute
from earmark.web.library import Number, OpenLibrary, ServedLibrary, library_of
from earmark.web.library_schemas import FoundTrack
from earmark.web.problem import ProblemError
from earmark.web.serialise import shortened

CURVES = 5
"""The tags of a track whose curves are sent."""
MOST_POINTS = 64
"""The points of a curve, which is drawn in a hundred pixels or so."""
PLAYLIST_TYPE = "audio/x-mpegurl"


class MapAnswer(BaseModel):
    """The tracks of a library as points from -1 to 1, in the order of their numbers."""

    numbers: list[int] = Field(examples=[[7, 9]])
    x: list[float] = Field(examples=[[0.12, -0.4]])
    y: list[float] = Field(examples=[[0.3, 0.02]])
    tags: list[int] = Field(description="Each track's most distinctive tag, as a place in `labels`.", examples=[[0, 1]])
    labels: list[str] = Field(examples=[["guitar", "piano"]])
    further: list[str] = Field(
        description="The tags of further heads, such as taught words.", examples=[["mine:sleepy"]]
    )
    share: float = Field(description="How much of the variance between tracks the map shows, 0 to 1.", examples=[0.31])


class MapTagAnswer(BaseModel):
    """The probability of a tag in every track, in the order of the map."""

    label: str = Field(examples=["guitar"])
    threshold: float = Field(description="The probability from which a track counts as having it.", examples=[0.24])
    probabilities: list[float | None] = Field(
        description="Null for tracks without scores of the tag's head.", examples=[[0.91, 0.03]]
    )


class CurveAnswer(BaseModel):
    """The probability of a tag along a track, in at most 64 equal parts of it."""

    label: str = Field(examples=["guitar"])
    curve: list[float] = Field(examples=[[0.9, 0.8]])


class TrackCurves(BaseModel):
    """The strongest tags of a track over time."""

    number: int = Field(examples=[7])
    tags: list[CurveAnswer]


class CurvesAnswer(BaseModel):
    """The strongest tags of some tracks over time."""

    tracks: list[TrackCurves]


class PlaylistRequest(JsonRequest):
    """The tracks of a playlist, in order."""

    numbers: Annotated[list[Annotated[int, Field(ge=1, le=2**62)]], FailFast()] = Field(
        max_length=MOST_TRACKS, examples=[[7, 9]]
    )


class LibraryMap:
    """The map of a library, computed again only when the library has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: tuple[str, int, int] | None = None
        self._map: CollectionMap | None = None

    def of(self, opened: OpenLibrary) -> CollectionMap:
        """Return the map of an open library; only one thread computes it."""
        header = opened.vectors.header
        key = (header.library, header.generation, header.model_id)
        with self._lock:
            if self._map is None or self._of != key:
                self._map, self._of = map_of(opened.vectors, opened.card.labels), key
            return self._map


router = APIRouter(prefix="/v1/library", tags=["library"], route_class=JsonRoute)


@router.get("/map", summary="Lay the library out in two dimensions")
async def library_map(request: Request) -> MapAnswer:
    """Return all tracks as points; similar tracks are close together."""
    library, kept = library_of(request), request.app.state.library_map

    def laid_out() -> MapAnswer:
        with library.opened() as opened:
            found = kept.of(opened)
            further = opened.searching.collection.labels[len(found.labels) :]
        points = np.round(found.points.astype(np.float64), 4)
        return MapAnswer(
            numbers=found.ids.tolist(),
            x=points[:, 0].tolist(),
            y=points[:, 1].tolist(),
            tags=found.tag.tolist(),
            labels=list(found.labels),
            further=list(further),
            share=found.share,
        )

    return await asyncio.to_thread(laid_out)


@router.get("/map/tag", summary="Read the probability of a tag in all tracks")
async def map_tag(
    request: Request,
    tag: Annotated[str, Query(max_length=200, description="Its label or a synonym.", examples=["guitar"])],
) -> MapTagAnswer:
    """Return the probability of a tag in every track, in the order of the map."""
    library = library_of(request)

    def probabilities() -> MapTagAnswer:
        with library.opened() as opened:
            place, collection = opened.place(tag), opened.searching.collection
            found = np.round(collection.chances(place).astype(np.float64), 3)
            return MapTagAnswer(
                label=collection.labels[place],
                threshold=round(collection.threshold(place), 3),
                probabilities=[None if np.isnan(chance) else chance for chance in found.tolist()],
            )

    return await asyncio.to_thread(probabilities)


@router.get("/over-time", summary="Read the strongest tags of tracks over time")
async def over_time(
    request: Request,
    number: Annotated[list[int], Query(max_length=100, description="Numbers of tracks; repeat it.", examples=[[7, 9]])],
) -> CurvesAnswer:
    """Return the strongest tags of tracks over time as short curves; tracks without stored curves are left out."""
    return await asyncio.to_thread(_curves, library_of(request), number)


@router.post("/playlist", summary="Make a playlist", responses={200: {"content": {PLAYLIST_TYPE: {}}}})
async def playlist(request: Request, wanted: PlaylistRequest) -> Response:
    """Return a playlist (M3U8) of tracks, by the addresses at which this server plays them."""
    library = library_of(request)
    text = await asyncio.to_thread(_playlist, library, wanted.numbers, str(request.base_url))
    return Response(text.encode(), headers={"Content-Type": PLAYLIST_TYPE})


@router.get("/tracks/{number}", summary="Describe a track of the library")
async def described(request: Request, number: Number) -> FoundTrack:
    """Return a track as a search returns it."""
    library = library_of(request)

    def found() -> FoundTrack:
        with library.opened() as opened:
            opened.refuse_unknown(number)
            track = opened.searching.track(number, 1.0)
            if track is None:
                raise ProblemError(problems.SOUND_GONE)
            return opened.found_track(track)

    return await asyncio.to_thread(found)


def _curves(library: ServedLibrary, numbers: list[int]) -> CurvesAnswer:
    with library.opened() as opened:
        known = [number for number in dict.fromkeys(numbers) if number in opened.vectors.ids]
        found = []
        for number in known:
            stored = opened.library.over_time(number)
            if stored is None:
                continue
            strongest = np.argsort(-stored.probabilities.mean(axis=0), kind="stable")[:CURVES].tolist()
            curves = _reduced(stored.probabilities[:, strongest])
            tags = [
                CurveAnswer(label=stored.labels[column], curve=shortened(curves[:, place].tolist()))
                for place, column in enumerate(strongest)
            ]
            found.append(TrackCurves(number=number, tags=tags))
    return CurvesAnswer(tracks=found)


def _reduced(curves: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return curves (windows, tags) with at most MOST_POINTS windows, each the mean of some."""
    parts = np.array_split(curves.astype(np.float64), min(len(curves), MOST_POINTS))
    return np.array([part.mean(axis=0) for part in parts])


def _playlist(library: ServedLibrary, numbers: list[int], address: str) -> str:
    lines = ["#EXTM3U"]
    with library.opened() as opened:
        searching = opened.searching
        for number in dict.fromkeys(numbers):
            track = searching.track(number, 1.0) if number in opened.vectors.ids else None
            if track is None:
                continue
            shown = opened.found_track(track)
            name = " - ".join(part for part in (shown.artist, shown.title) if part) if shown.title else shown.name
            title = " ".join(name.split())  # a line break would end the entry
            lines += [f"#EXTINF:{round(track.duration_seconds)},{title}", f"{address}v1/library/tracks/{number}/audio"]
    return "\n".join(lines) + "\n"
