"""Images that are alike: the nearest to one, and a map of all."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from lastlayer.studio.routes.needs import (
    PROBLEMS,
    Classifier,
    ResourceName,
    image_body,
    read_image,
    unreadable_refused,
)
from lastlayer.studio.routes.prediction import turn
from lastlayer.studio.views import SimilarPage, map_point
from lastlayer.studio.web.events import OnProgress, stream_events

router = APIRouter(prefix="/v1/datasets", tags=["alike"], responses=PROBLEMS)

MAPS_AT_ONCE: Final = 8
"""How many maps the studio follows at once; each takes a thread here. The classifier bounds those that are computed."""

_POINTS: Final = 1000
"""The most points of an event."""

Count = Annotated[int, Query(ge=1, le=1000, description="the most images to return")]
OnlyLabel = Annotated[str, Query(max_length=256, description="only those with this label; all where empty")]
Pool = Annotated[bool, Query(description="whether images of the pool are found, too")]
Stored = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="the sha256 of a stored image")]


class MapWanted(BaseModel):
    """How to lay images out."""

    method: Annotated[
        Literal["auto", "pca", "neighbors"], Field(description="`auto` is `neighbors` where the server has its library")
    ] = "auto"
    max_examples: Annotated[
        int, Field(ge=10, le=100_000, description="the most images; of more, a sample that is the same each time")
    ] = 10_000
    pool: Annotated[bool, Field(description="whether images of the pool are laid out, too")] = False
    model: Annotated[
        str, Field(max_length=63, description="the model whose suspicious labels are marked; none where empty")
    ] = ""


@router.post("/{dataset}:similar", openapi_extra=image_body())
async def find_similar(
    request: Request,
    client: Classifier,
    dataset: ResourceName,
    count: Count = 20,
    label: OnlyLabel = "",
    pool: Pool = False,
    thumbnails: bool = True,
) -> SimilarPage:
    """Find the stored images whose features are nearest to those of an image.

    `curl -F image=@img.jpg http://127.0.0.1:8080/v1/datasets/pets:similar`
    """
    picture = await read_image(request)
    wanted: dict[str, Any] = {"count": count, "label": label, "pool": pool, "thumbnails": thumbnails}
    async with turn(request, "similar", [picture.content]):
        with unreadable_refused():
            found = await run_in_threadpool(client.similar, dataset, picture.content, **wanted)
    return SimilarPage.of(found)


@router.get("/{dataset}/examples/{sha256}:similar")
def find_similar_to_example(
    client: Classifier,
    dataset: ResourceName,
    sha256: Stored,
    count: Count = 20,
    label: OnlyLabel = "",
    pool: Pool = False,
    thumbnails: bool = True,
) -> SimilarPage:
    """Find the stored images that are nearest to one of them, which is left out."""
    found = client.similar(
        dataset, example=bytes.fromhex(sha256), count=count, label=label, pool=pool, thumbnails=thumbnails
    )
    return SimilarPage.of(found)


@router.post("/{dataset}:map", response_class=StreamingResponse)
async def map_examples(
    request: Request, client: Classifier, dataset: ResourceName, wanted: MapWanted
) -> StreamingResponse:
    """Lay images out in two dimensions, so that those with similar features lie near each other: server-sent events.

    `progress` (`message`, and `fraction` from 0 to 1) comes at least every two seconds, then `points` with at most 1000
    `points`: each `id`, `sha256`, `labels`, `x` and `y` from -1 to 1, `suspicious` and `suggested_label`. The last
    event is `map` with `method`, `example_count` and `stale_count`, or `problem`. Closing the connection stops it.
    """

    def run(on_progress: OnProgress) -> Iterator[tuple[str, Any]]:
        found = client.map_examples(dataset, on_progress=on_progress, **wanted.model_dump())
        for start in range(0, len(found.points), _POINTS):
            yield "points", {"points": [map_point(point) for point in found.points[start : start + _POINTS]]}
        counts = {"example_count": found.example_count, "stale_count": found.stale_count}
        yield "map", {"method": found.method, **counts}

    return await stream_events(run, places=request.app.state.maps, what="maps")
