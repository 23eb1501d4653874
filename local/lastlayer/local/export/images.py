"""The images on which a file is compared with the service."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from lastlayer.client import Client
from lastlayer.client.errors import AccessError, NotFoundError
from lastlayer.client.results.versions import ModelVersion
from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.featurizer.commands.measuring import MAX_PIXELS, find_photos
from lastlayer.featurizer.errors import ConversionError
from lastlayer.featurizer.network.generated_images import generate_images
from lastlayer.featurizer.pipeline.decoding import decode_whole
from lastlayer.rpc.errors import ImageError
from lastlayer.rpc.vectors import View

_MOST: Final = 200
_GENERATED: Final = 32
_JPEG: Final = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Images:
    """Images, as they are sent to the service and as a file takes them."""

    source: str
    """What they are, such as `photos of held-out/`."""
    contents: Sequence[Path | bytes]
    pixels: npt.NDArray[np.uint8]
    """uint8 [n, height, width, 3], RGB: a view of each."""

    def jpegs(self) -> dict[int, bytes]:
        """Return those that are JPEG, by their index."""
        found = {}
        for index, content in enumerate(self.contents):
            data = content.read_bytes() if isinstance(content, Path) else content
            if data.startswith(_JPEG):
                found[index] = data
        return found


def gather(folder: Path | None, client: Client, version: ModelVersion, size: Preprocessing, view: View) -> Images:
    """Return up to 200 images, as a view shows them: photos of a folder and of the folders in it, from all over it.

    Without a folder, the small pictures that the service keeps of the version's training images, as many of each class;
    where it keeps none, generated images. Raises ConversionError where the folder has no image that can be read.
    """
    if folder is not None:
        found = _decoded(find_photos(folder), size, view)
        if not found:
            raise ConversionError(f"`{folder}` has no photo that can be read.")
        return _images(f"photos of {folder}", found)
    if found := _decoded(_thumbnails(client, version), size, view):
        return _images("small pictures of its training images", found)
    made = generate_images(_GENERATED, width=size.width, height=size.height, seed=0)
    return Images("generated images", [_as_png(pixels) for pixels in made], made)


def _thumbnails(client: Client, version: ModelVersion) -> Iterator[bytes]:
    labels = version.classes[:_MOST]
    try:
        for label in labels:
            page = client.list_example_page(
                version.dataset, label=label, thumbnails=True, page_size=max(1, _MOST // len(labels))
            )
            yield from (example.thumbnail for example in page.examples if example.thumbnail)
    except (AccessError, NotFoundError):  # the dataset is gone, or not for this token
        return


def _decoded(
    contents: Iterable[Path | bytes], size: Preprocessing, view: View
) -> list[tuple[Path | bytes, npt.NDArray[np.uint8]]]:
    """Return what can be decoded of some images, with the pixels of each."""
    found: list[tuple[Path | bytes, npt.NDArray[np.uint8]]] = []
    for content in contents:
        if len(found) == _MOST:
            break
        try:
            data = content.read_bytes() if isinstance(content, Path) else content
            decoded = decode_whole(data, width=size.width, height=size.height, max_pixels=MAX_PIXELS, views=[view])
        except (ImageError, OSError):
            continue
        found.append((content, decoded.seen[view].pixels))
    return found


def _images(source: str, found: list[tuple[Path | bytes, npt.NDArray[np.uint8]]]) -> Images:
    return Images(source, [content for content, _ in found], np.stack([pixels for _, pixels in found]))


def _as_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
