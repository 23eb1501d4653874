"""The structure of HEIC files, as telephones write them (ISO/IEC 23008-12): boxes, and sizes of images."""

from collections.abc import Iterator
from typing import Final

from lastlayer.featurizer.pipeline.checks.structure import MAX_MARKERS, Structure, check_count, check_size, damaged

_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis"})
"""Of files whose images are coded with HEVC."""

_MAX_ITEMS: Final = 1_000
"""The most sizes of images: a photo has one for its tiles, and a few for itself and what belongs to it."""

_PIXEL_BYTES: Final = 10
"""Of what the decoder holds of a picture and its tiles, of the same in RGB, and of Pillow's copy of that."""

_BASE_BYTES: Final = 8 * 2**20


def is_heic(content: bytes) -> bool:
    """Return whether a file says to be HEIC, which its first box does."""
    if content[4:8] != b"ftyp":
        return False
    end = int.from_bytes(content[:4], "big")
    brands = {content[at : at + 4] for at in (8, *range(16, min(end, 256), 4))}
    return not brands.isdisjoint(_BRANDS)


def inspect(content: bytes, max_pixels: int) -> Structure:
    """Return what the structure of a HEIC file tells; see `checks.inspect`.

    The size is that of the largest image in the file, before it is cropped. None is light: the decoder works in a
    process of its own, whatever the size.
    """
    sizes = list(_sizes(content))
    if not sizes:
        raise damaged("HEIC")
    for width, height in sizes:
        check_size(width, height, max_pixels)
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    if not width * height:
        raise damaged("HEIC")
    memory_bytes = _BASE_BYTES + _PIXEL_BYTES * width * height
    # The decoder turns it itself.
    return Structure("HEIF", content, width, height, memory_bytes, is_light=False, orientation=1)


def _sizes(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield the sizes of the images of a file, thumbnails and tiles among them."""
    for found, (start, end) in enumerate(_properties(content), 1):
        check_count("images", found, _MAX_ITEMS)
        if end - start >= 12:
            yield (
                int.from_bytes(content[start + 4 : start + 8], "big"),
                int.from_bytes(content[start + 8 : start + 12], "big"),
            )


def _properties(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the bodies of the boxes lie that tell the size of an image."""
    places = [(0, len(content))]
    for kind, skipped in ((b"meta", 0), (b"iprp", 4), (b"ipco", 0), (b"ispe", 0)):
        # The body of `meta` begins with a version.
        places = [
            (start, end)
            for outer, outer_end in places
            for found, start, end in _boxes(content, outer + skipped, outer_end)
            if found == kind
        ]
    yield from places


def _boxes(content: bytes, position: int, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes between two places of a file: the kind of each, and where its body begins and ends."""
    boxes = 0
    while position + 8 <= limit:
        boxes += 1
        check_count("boxes", boxes, MAX_MARKERS)
        size, kind, head = (
            int.from_bytes(content[position : position + 4], "big"),
            content[position + 4 : position + 8],
            8,
        )
        if size == 1:  # a longer number follows
            size, head = int.from_bytes(content[position + 8 : position + 16], "big"), 16
        end = position + size if size else limit
        if 0 < size < head or end > limit:
            raise damaged("HEIC")
        yield kind, position + head, end
        position = end
