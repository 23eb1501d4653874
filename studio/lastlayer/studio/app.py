"""The studio as an ASGI application: the routes of `/v1` and `/v2`, the page, and what guards them."""

import asyncio
import contextlib
import mimetypes
import weakref
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from lastlayer.client.api import Client
from lastlayer.studio.routes import access, alike, datasets, examples, exports, models, pool, prediction, training
from lastlayer.studio.routes.open_inference import routes as open_inference
from lastlayer.studio.web import problems
from lastlayer.studio.web.lane import Lane
from lastlayer.studio.web.security import Guard

PAGE: Final = Path(__file__).parent / "page"
"""The folder of the page's files."""

_WORDS: Final = """\
Lastlayer over HTTP. Images come as files of a form, as base64 in JSON, or as the body of the request. Where the
classifier asks for a token, send `Authorization: Bearer TOKEN`. Failures are `application/problem+json` with the codes
and reasons of the gRPC statuses. Below `/v2` is the Open Inference Protocol, with failures as `{"error": …}`."""


def create_app(client: Client, *, hosts: frozenset[str]) -> ASGIApp:
    """Return the application; `hosts` are the names by which browsers may call it. It closes the client at its end."""
    return Guard(create_api(client), hosts=hosts)


def create_api(client: Client) -> FastAPI:
    """Return the routes alone, which nothing guards: to ask what they say of themselves."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with client:
            yield

    app = FastAPI(
        title="Lastlayer",
        version=version("lastlayer"),
        description=_WORDS,
        docs_url=None,  # FastAPI's takes its scripts from another host; the page has its own
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=lifespan,
    )
    app.state.client = client
    app.state.lane = Lane()
    app.state.batches = asyncio.Semaphore(1)
    app.state.trainings = asyncio.Semaphore(training.AT_ONCE)
    app.state.pools = weakref.WeakValueDictionary[str, asyncio.Lock]()
    app.state.maps = asyncio.Semaphore(alike.MAPS_AT_ONCE)
    problems.install(app)
    for module in (access, datasets, examples, pool, alike, models, training, prediction, exports, open_inference):
        app.include_router(module.router)

    @app.get("/healthz", include_in_schema=False)
    async def is_alive() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/", include_in_schema=False)
    async def get_page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/page", _Files(directory=PAGE))
    return app


class _Files(StaticFiles):
    """The page's files, which browsers ask after each time, so that a new release is seen at once."""

    def file_response(self, *arguments: object, **options: object) -> Response:
        """Return a file, with what browsers may do with it."""
        response = super().file_response(*arguments, **options)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


# Whatever the machine's own table says: browsers take modules only of this type.
mimetypes.add_type("text/javascript", ".js")
