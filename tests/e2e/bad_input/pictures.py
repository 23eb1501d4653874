"""Images that are wrong, hostile or merely odd, each with the reason that it is to be refused for, or none."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

pillow_heif.register_heif_opener()  # which also writes them

UNDECODABLE: Final = "IMAGE_UNDECODABLE"
TOO_LARGE: Final = "IMAGE_TOO_LARGE"
EMPTY: Final = "IMAGE_EMPTY"


class Picture(NamedTuple):
    """What somebody sends as an image."""

    name: str
    content: bytes
    reason: str = ""
    """Of the error; empty where it is an image all the same."""


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG that says to be of a size, with these chunks."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", header), *chunks, (b"IEND", b""))
    )


def gif(width: int, height: int) -> bytes:
    """Return a GIF that says to be of a size, with a frame as large."""
    return (
        b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
        b"," + struct.pack("<HHHH", 0, 0, width, height) + b"\0\x02\x02\x44\x01\0;"
    )


def _cut() -> Iterator[Picture]:
    for kind in ("JPEG", "PNG", "WEBP", "HEIF"):
        whole = saved(noise(), kind)
        for percent in (1, 10, 30, 50, 70, 90, 97):
            yield Picture(f"{kind} cut at {percent} %", whole[: max(len(whole) * percent // 100, 1)], UNDECODABLE)


def _not_images() -> Iterator[Picture]:
    yield Picture("no bytes", b"", EMPTY)
    for name, content in {
        "one zero byte": b"\0",
        "a megabyte of zeros": bytes(1_000_000),
        "text": b"This is not an image.\n",
        "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>',
        "PDF": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
        "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(100),
        "zip": b"PK\x03\x04" + bytes(100),
        "gzip": b"\x1f\x8b\x08" + bytes(100),
        "ICO": saved(noise(16, 16), "ICO"),
        "PPM": saved(noise(16, 16), "PPM"),
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
        "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93.",
        "JPEG's first bytes": b"\xff\xd8\xff\xe0",
        "JPEG's header and zeros": saved(noise(), "JPEG")[:20] + bytes(10_000),
        "PNG whose checksum is wrong": saved(noise(), "PNG").replace(b"IDAT", b"IDAX"),
        "PNG without data": png(10, 10),
        "PNG of size zero": png(0, 10),
        "GIF of size zero": gif(0, 0),
    }.items():
        yield Picture(name, content, UNDECODABLE)


def _bombs() -> Iterator[Picture]:
    yield Picture("PNG bomb", png(30_000, 30_000, (b"IDAT", zlib.compress(bytes(10_000_000), 9))), TOO_LARGE)
    yield Picture("header of 65500 x 65500", png(65_500, 65_500), TOO_LARGE)
    yield Picture("header of 2^31-1 x 2^31-1", png(2**31 - 1, 2**31 - 1), TOO_LARGE)
    yield Picture("GIF bomb", gif(65_535, 65_535), TOO_LARGE)
    yield Picture("JPEG of 65500 x 65500", _resized_jpeg(65_500, 65_500), TOO_LARGE)
    text = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    data = zlib.compress(bytes((1 + 10 * 3) * 10))
    yield Picture("PNG whose comment swells", png(10, 10, (b"zTXt", text), (b"IDAT", data)), UNDECODABLE)


def _resized_jpeg(width: int, height: int) -> bytes:
    """Return a JPEG whose header lies about its size."""
    content = bytearray(saved(noise(), "JPEG"))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def _odd_but_sound() -> Iterator[Picture]:
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [noise(20, 20), noise(30, 30)]
    palette = noise(mode="RGBA").quantize(16)
    wide = Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64))
    for name, content in {
        "1 x 1": saved(noise(1, 1), "PNG"),
        "1 x 20000": saved(noise(1, 20_000), "PNG"),
        "animated GIF": saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "animated WebP": saved(frames[0], "WEBP", save_all=True, append_images=[frames[0]]),
        "CMYK": saved(noise(mode="CMYK"), "JPEG"),
        "grey": saved(noise(mode="L"), "JPEG"),
        "16 bits": saved(wide, "PNG"),
        "16 bits TIFF": saved(wide, "TIFF"),
        "black and white": saved(noise(mode="1"), "PNG"),
        "palette with alpha": saved(palette, "PNG", transparency=0),
        "alpha": saved(noise(mode="RGBA"), "PNG"),
        "rotated by EXIF": saved(noise(), "JPEG", exif=exif),
        "broken EXIF": saved(noise(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"),
        "broken ICC": saved(noise(), "JPEG", icc_profile=b"no profile at all" * 10),
        "ICC": saved(noise(), "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
        "progressive": saved(noise(), "JPEG", progressive=True),
        "BMP": saved(noise(), "BMP"),
        "bytes after the end": saved(noise(), "PNG") + b"<?php system('id'); ?>",
    }.items():
        yield Picture(name, content)


PICTURES: Final = [*_cut(), *_not_images(), *_bombs(), *_odd_but_sound()]
