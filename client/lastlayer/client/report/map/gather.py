"""Gathers a map with its photos from the classifier."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from PIL import Image

from lastlayer.client.api import Client
from lastlayer.client.output.heatmap import PictureError, upright
from lastlayer.client.results.curation import ExampleMap, MapPoint
from lastlayer.client.results.models import TrainProgress
from lastlayer.client.transport.defaults import TRAIN_TIMEOUT_S

_AT_ONCE: Final = 1000
"""How many photos are asked for at once."""

_EDGES: Final = ((3_000, 128), (6_000, 96), (100_000, 72))
"""How many pixels photos have across at most, up to a number of points."""

_QUALITY: Final = 65
_MAX_PIXELS: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PicturedMap:
    """A map with photos of its points."""

    dataset: str
    model: str
    """Whose suspicious labels are marked; empty for none."""
    map: ExampleMap
    photos: Mapping[bytes, bytes] = field(default_factory=dict)
    """Small JPEGs by the sha256 of the images: of as many as fit, those that are worth a look first."""


def gather_map(
    client: Client,
    dataset: str,
    *,
    method: str = "auto",
    max_examples: int = 10_000,
    pool: bool = False,
    model: str = "",
    most_bytes: int,
    timeout_s: float = TRAIN_TIMEOUT_S,
    on_progress: Callable[[TrainProgress], None] | None = None,
) -> PicturedMap:
    """Return the map of a dataset with photos of at most so many bytes in all; `on_progress` hears of both.

    Raises what `Client.map_examples` raises.
    """
    found = client.map_examples(
        dataset,
        method=method,
        max_examples=max_examples,
        pool=pool,
        model=model,
        timeout_s=timeout_s,
        on_progress=on_progress,
    )
    if any(map(is_conflict, found.points)) and client.get_dataset(dataset).multi_label:
        found = replace(found, points=tuple(_as_one(point, pool=pool) for point in found.points))
    photos: dict[bytes, bytes] = {}
    edge = next((edge for most, edge in _EDGES if len(found.points) <= most), _EDGES[-1][1])
    left, done = most_bytes, 0
    wanted = [point.sha256 for point in by_worth(found.points)]
    for start in range(0, len(wanted), _AT_ONCE):
        stored = client.get_examples(dataset, wanted[start : start + _AT_ONCE], thumbnails=True)
        thumbnails = {example.sha256: example.thumbnail for example in stored}
        for sha256 in wanted[start : start + _AT_ONCE]:
            photo = _shrink(thumbnails.get(sha256, b""), edge)
            if photo and len(photo) <= left:
                photos[sha256] = photo
                left -= len(photo)
        done += _AT_ONCE
        if on_progress is not None:
            on_progress(TrainProgress("reading the photos", min(1.0, done / len(wanted))))
        if left < most_bytes / 1000:
            break
    return PicturedMap(dataset, model, found, photos)


def _as_one(point: MapPoint, *, pool: bool) -> MapPoint:
    """Return an image that may have several labels with all of them as one, by which it is coloured.

    One without any label is of the pool where that is laid out, too.
    """
    labels = (" + ".join(sorted(point.labels)),) if point.labels else () if pool else ("none of the labels",)
    return replace(point, labels=labels)


def is_conflict(point: MapPoint) -> bool:
    """Return whether an image has several labels."""
    return len(point.labels) > 1


def by_worth(points: Sequence[MapPoint]) -> list[MapPoint]:
    """Return points in the order in which they are worth a look: suspicious ones, conflicts, then all over the map."""
    marked = [point for point in points if point.suspicious or is_conflict(point)]
    others = [point for point in points if not (point.suspicious or is_conflict(point))]
    # By lot, so that what does not fit is missing everywhere a little; the same each time.
    return [*sorted(marked, key=lambda point: not point.suspicious), *sorted(others, key=lambda point: point.sha256)]


def _shrink(thumbnail: bytes, edge: int) -> bytes:
    """Return a thumbnail as a JPEG of at most `edge` pixels across; empty where it is none."""
    if not thumbnail:
        return b""
    try:
        picture = upright(thumbnail, formats=("JPEG",), max_pixels=_MAX_PIXELS)
    except PictureError:
        return b""
    picture.thumbnail((edge, edge), Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
