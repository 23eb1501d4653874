"""What the structure of a file tells: size, memory, orientation, and whether it is decoded in our own process."""

import contextlib
import functools
import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lastlayer.featurizer.errors import ImageTooComplexError, ImageTooLargeError, ImageUndecodableError
from lastlayer.featurizer.pipeline.checks import inspect
from lastlayer.featurizer.pipeline.checks.orientation import read_orientation
from lastlayer.featurizer.pipeline.checks.structure import Structure
from lastlayer.rpc.errors import ImageError
from tests.attacks.featurizer import files
from tests.attacks.featurizer.files import saved

KINDS = ("JPEG", "PNG", "WEBP", "HEIF", "GIF", "TIFF", "BMP")


def structure_of(content: bytes, *, max_pixels: int = 64_000_000) -> Structure:
    return inspect(content, max_pixels=max_pixels, longest=448)


def noise(width: int = 90, height: int = 70) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8))


@functools.cache
def small(kind: str) -> bytes:
    return saved(noise(20, 20), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_format_and_size_are_those_that_pillow_finds(kind: str) -> None:
    found = structure_of(saved(noise(), kind))
    assert (found.format, found.width, found.height) == (kind, 90, 70)


@pytest.mark.parametrize(
    ("kind", "options", "light"),
    [
        ("JPEG", {}, True),
        ("JPEG", {"progressive": True}, True),
        ("PNG", {}, True),
        ("WEBP", {}, True),
        ("GIF", {}, True),
        ("BMP", {}, True),
        ("TIFF", {}, False),
        ("HEIF", {}, False),
        ("WEBP", {"save_all": True, "append_images": [noise()]}, False),
    ],
)
def test_ordinary_files_are_light(kind: str, options: dict[str, Any], light: bool) -> None:
    options = {key: [Image.new("RGB", (90, 70))] if key == "append_images" else value for key, value in options.items()}
    assert structure_of(saved(noise(), kind, **options)).is_light is light


@pytest.mark.parametrize(
    "content",
    [
        files.jpeg_of_arithmetic_codes(),
        files.jpeg_of_scans(50, width=64, height=64),
        files.bmp(8, 1, b"\x08\x05\0\x01", compression=1),
        saved(Image.new("L", (6000, 6000)), "JPEG"),
        saved(Image.new("RGB", (5000, 5000)), "PNG"),
    ],
    ids=["arithmetic", "50 scans", "RLE", "36 megapixels", "100 MB"],
)
def test_what_is_large_or_unusual_is_not_light(content: bytes) -> None:
    assert not structure_of(content).is_light


def test_a_large_photo_is_light_as_it_is_decoded_at_a_reduced_scale() -> None:
    found = structure_of(saved(Image.new("RGB", (4000, 6000)), "JPEG"))
    assert found.is_light
    assert found.memory_bytes < 10_000_000


def test_metadata_of_a_jpeg_is_left_out_of_what_the_decoder_sees() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(noise(), "JPEG", exif=exif, comment=b"a comment", icc_profile=b"a profile" * 10_000)
    found = structure_of(content)
    assert found.orientation == 6
    assert (b"a comment" in found.content, b"a profile" in found.content, b"Exif" in found.content) == (False,) * 3
    with Image.open(io.BytesIO(content)) as whole, Image.open(io.BytesIO(found.content)) as part:
        assert (np.asarray(whole) == np.asarray(part)).all()


@pytest.mark.parametrize("mode", ["CMYK", "RGB", "L", "YCbCr"])
def test_the_colours_of_a_jpeg_stay(mode: str) -> None:
    content = saved(noise().convert(mode), "JPEG", subsampling=0)
    found = structure_of(content)
    with Image.open(io.BytesIO(content)) as whole, Image.open(io.BytesIO(found.content)) as part:
        assert (np.asarray(whole) == np.asarray(part)).all()


def test_scans_that_are_only_seen_in_something_else_do_not_count() -> None:
    content = saved(noise(), "JPEG", progressive=True)
    scan = content.rindex(b"\xff\xda")
    comment = files.segment(0xFE, b"\xff\xda\0\x02" * 1_000)
    found = structure_of(content[:scan] + comment + content[scan:])
    assert found.is_light


def test_an_end_that_is_only_seen_in_something_else_hides_no_scans() -> None:
    content = files.jpeg_of_scans(1_200)
    scan = content.index(b"\xff\xda")
    end = content.index(b"\xff\xda", scan + 2)
    with pytest.raises(ImageTooComplexError, match="more than 100 scans"):
        structure_of(content[:end] + files.segment(0xFE, b"\xff\xd9") + content[end:])


def test_a_picture_of_another_size_than_the_header_says_is_seen() -> None:
    content = files.gif(1, 1).replace(struct.pack("<HHHH", 0, 0, 1, 1), struct.pack("<HHHH", 9, 9, 65_000, 65_000))
    with pytest.raises(ImageTooLargeError, match="65009 x 65009"):
        structure_of(content)


@pytest.mark.parametrize("big", [False, True])
def test_tiffs_of_both_sizes_are_read(big: bool) -> None:
    tags = [(256, 4, 1, 70_000), (257, 4, 1, 1)]
    with pytest.raises(ImageTooLargeError, match="70000 x 1 pixels; at most 65535 across and down"):
        structure_of(files.tiff(*tags, big=big))


def test_a_tile_that_is_larger_than_a_small_image_is_nothing_unusual() -> None:
    tags = [(256, 4, 1, 10), (257, 4, 1, 10), (322, 4, 1, 512), (323, 4, 1, 512)]
    assert structure_of(files.tiff(*tags)).memory_bytes < 10_000_000


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["<", ">"]),
    st.lists(
        st.tuples(st.sampled_from([0x0112, 0x010F, 0x9999]), st.sampled_from([3, 4]), st.integers(0, 9)), max_size=4
    ),
    st.sampled_from([b"", b'<x tiff:Orientation="7"/>', b"<tiff:Orientation>3</tiff:Orientation>", b"<nothing/>"]),
)
def test_the_orientation_is_the_one_that_pillow_finds(order: str, tags: list[tuple[int, int, int]], xmp: bytes) -> None:
    exif = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    for tag, kind, value in tags:
        exif += struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(
            f"{order}{'HH' if kind == 3 else 'I'}", *((value, 0) if kind == 3 else (value,))
        )
    exif += bytes(4)
    image = Image.new("L", (1, 1))
    image.info["exif"] = b"Exif\0\0" + exif
    image.info["xmp"] = xmp
    assert read_orientation(exif, xmp) == image.getexif().get(0x0112, 1)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_no_exif_data_breaks_the_reading_of_it(exif: bytes) -> None:
    read_orientation(exif)
    read_orientation(b"II\x2a\0\x08\0\0\0" + exif)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_short_anywhere_is_refused_or_read_and_nothing_else(kind: str) -> None:
    content = small(kind)
    for size in range(1, len(content)):
        with contextlib.suppress(ImageError):
            structure_of(content[:size])


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_broken_file_is_refused_or_read_and_nothing_else(kind: str, changes: list[tuple[float, int]]) -> None:
    content = bytearray(small(kind))
    for place, value in changes:
        content[int(place**3 * len(content))] = value  # most of them where the structure is
    with contextlib.suppress(ImageError):
        structure_of(bytes(content))


@pytest.mark.parametrize("content", [b"\xff\xd8\xff", b"BM", b"GIF89a", b"II\x2a\0", b"\x89PNG\r\n\x1a\n"])
def test_a_beginning_alone_is_a_damaged_file(content: bytes) -> None:
    with pytest.raises(ImageUndecodableError, match="damaged or incomplete"):
        structure_of(content)
