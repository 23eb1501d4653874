"""What routes are given: the client, names as they may be, and images out of the forms in which they come."""

import base64
import binascii
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Final, cast

from fastapi import Depends, Path, Request
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import FormData, UploadFile

from lastlayer.client.api import Client
from lastlayer.client.errors import ImageError
from lastlayer.studio.web.problems import Problem, RefusedError

MAX_IMAGES: Final = 64
"""The most images of a request."""

ResourceName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Label = Annotated[str, Field(min_length=1, max_length=256)]
VersionNumber = Annotated[int, Path(ge=0, le=2**31 - 1, description="0 is the default version")]

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"model": Problem, "description": "Why it failed, as application/problem+json"}
}


def _client(request: Request) -> Client:
    return cast("Client", request.app.state.client)


Classifier = Annotated[Client, Depends(_client)]


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """An image that came."""

    name: str
    content: bytes


class ImageInJson(BaseModel):
    """An image in JSON."""

    content: Annotated[str, Field(description="the bytes of its file in base64")]
    id: Annotated[str, Field(description="what to call it in the answer")] = ""


class ImagesInJson(BaseModel):
    """Images in JSON."""

    images: Annotated[list[ImageInJson], Field(min_length=1, max_length=MAX_IMAGES)]


def image_body(more: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return OpenAPI's words for a body of images, in a form with the fields of `more`, in JSON, or as it is."""
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "array", "items": binary, "maxItems": MAX_IMAGES}, **(more or {})},
    }
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if more is None:
        content["application/json"] = {"schema": ImagesInJson.model_json_schema()}
        content["image/*"] = {"schema": binary}
    return {"requestBody": {"required": True, "content": content}}


async def read_images(request: Request) -> list[Picture]:
    """Return the images of a request's body: a form with `image` files, JSON with base64, or one image as it is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=MAX_IMAGES, max_fields=8) as form:
            return await images_of(form)
    if kind == "application/json":
        return _images_in_json(await request.body())
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [Picture("image", await request.body())]
    raise RefusedError(
        415,
        "INVALID_ARGUMENT",
        "Send a form with the file as `image` (curl -F image=@img.jpg), JSON with `images` of base64 `content`, or the "
        "bytes of one image with a Content-Type of image/….",
        field="Content-Type",
    )


async def read_image(request: Request) -> Picture:
    """Return the one image of a request's body, which comes in the forms of `read_images`."""
    picture, *others = await read_images(request)
    if others:
        raise RefusedError(400, "INVALID_ARGUMENT", "Send one image.", reason="INVALID_FIELD", field="image")
    return picture


@contextlib.contextmanager
def unreadable_refused() -> Iterator[None]:
    """Refuse the request where the client finds its image too large or empty, and has not sent it."""
    try:
        yield
    except ImageError as error:
        raise RefusedError(400, "INVALID_ARGUMENT", error.message, reason=error.reason, field="image") from error


@contextlib.asynccontextmanager
async def read_form(request: Request, instead: str) -> AsyncIterator[FormData]:
    """Yield the form of a request; refuses what is none, and says what is wanted `instead`."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise RefusedError(415, "INVALID_ARGUMENT", instead, field="Content-Type")
    async with request.form(max_files=MAX_IMAGES, max_fields=8) as form:
        yield form


async def images_of(form: FormData) -> list[Picture]:
    """Return the files named `image` of a form, one at least."""
    files = [entry for entry in form.getlist("image") if isinstance(entry, UploadFile)]
    if not files:
        raise RefusedError(
            400, "INVALID_ARGUMENT", "The form has no file named `image`.", reason="INVALID_FIELD", field="image"
        )
    return [Picture(file.filename or f"images[{index}]", await file.read()) for index, file in enumerate(files)]


def _images_in_json(body: bytes) -> list[Picture]:
    try:
        known = ImagesInJson.model_validate_json(body)
        return [
            Picture(entry.id or f"images[{index}]", base64.b64decode(entry.content, validate=True))
            for index, entry in enumerate(known.images)
        ]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        detail = f"`{place}` is not possible: {first['msg'][:1].lower()}{first['msg'][1:]}."
    except binascii.Error:
        place, detail = "images.content", "The `content` of an image is no base64."
    raise RefusedError(400, "INVALID_ARGUMENT", detail, reason="INVALID_FIELD", field=place)
