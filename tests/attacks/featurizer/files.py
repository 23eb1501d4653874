"""Image files that cost a decoder far more than their bytes or their pixels say, made here and nowhere kept."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pillow_heif
from PIL import Image

from tests.attacks.featurizer import heic

pillow_heif.register_heif_opener()  # which also writes them

TOO_LARGE: Final = "IMAGE_TOO_LARGE"
TOO_COMPLEX: Final = "IMAGE_TOO_COMPLEX"
UNDECODABLE: Final = "IMAGE_UNDECODABLE"

MIB: Final = 2**20


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*segments: bytes, image: Image.Image | None = None, **options: Any) -> bytes:
    """Return a JPEG with segments after its first marker."""
    content = saved(image or Image.new("RGB", (64, 48), "red"), "JPEG", **options)
    return content[:2] + b"".join(segments) + content[2:]


def jpeg_of_scans(scans: int, *, width: int = 8000, height: int = 8000) -> bytes:
    """Return a progressive JPEG whose scans refine nothing: each is a pass over all coefficients."""
    content = saved(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    frame = content.index(b"\xff\xc2")
    content = content[: frame + 5] + struct.pack(">HH", height, width) + content[frame + 9 :]
    start = content.index(b"\xff\xda")
    tables = segment(0xC4, bytes([0x10, 1, *bytes(15), 0xE0]))  # a single code: the end of a band of 2^14 blocks
    tables += segment(0xC4, bytes([0x00, 1, *bytes(15), 0x00]))
    blocks = -(-width // 8) * -(-height // 8)
    runs = -(-blocks // (1 << 14))
    bits = ("0" + "1" * 14) * runs  # each code is followed by 14 bits of the run's length
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    first = segment(0xDA, bytes([1, 1, 0x00, 0, 0, 0x00])) + b"\0" * -(-blocks // 8)
    empty = segment(0xDA, bytes([1, 1, 0x00, 1, 63, 0x00])) + data
    return content[:start] + tables + first + empty * scans + b"\xff\xd9"


def jpeg_of_restarts() -> bytes:
    """Return a JPEG of 8000 x 8000 of which each block begins anew, with a marker before it."""
    content = saved(Image.new("L", (8, 8), 128), "JPEG")
    frame = content.index(b"\xff\xc0")
    content = content[: frame + 5] + struct.pack(">HH", 8000, 8000) + content[frame + 9 :]
    start = content.index(b"\xff\xda")
    end = content.index(b"\xff\xd9", start)
    scan = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
    block = content[scan:end]
    blocks = b"".join(block + bytes([0xFF, 0xD0 + index]) for index in range(8)) * 125_000
    return content[:start] + segment(0xDD, b"\0\1") + content[start:scan] + blocks[:-2] + b"\xff\xd9"


def jpeg_of_markers(size: int) -> bytes:
    """Return a JPEG that begins with empty APP1 segments of so many bytes."""
    return jpeg_with(segment(0xE1, b"") * (size // 4))


def exif_of_entries(entries: int, size: int) -> bytes:
    """Return EXIF data whose entries all name the same bytes."""
    head = b"II\x2a\0" + struct.pack("<IH", 8, entries)
    each = [struct.pack("<HHII", 0x8000 + index % 0x7000, 7, size, 8) for index in range(entries)]
    return head + b"".join(each) + bytes(4)


def jpeg_of_exif() -> bytes:
    """Return a JPEG of 64 KiB whose EXIF data comes to 300 MiB, as Pillow reads it."""
    return jpeg_with(segment(0xE1, b"Exif\0\0" + exif_of_entries(5_400, 60_000)))


def jpeg_of_much_exif() -> bytes:
    """Return a JPEG of 31 MiB of EXIF data, which Pillow joins one by one."""
    part = segment(0xE1, b"Exif\0\0" + bytes(65_000))
    return jpeg_with(segment(0xE1, b"Exif\0\0" + exif_of_entries(5_000, 60_000)), part * (31 * MIB // len(part)))


def jpeg_of_photoshop() -> bytes:
    """Return a JPEG of 31 MiB of empty resource blocks of Photoshop."""
    block = b"8BIM\x04\x04\0\0\0\0\0\0"
    part = segment(0xED, b"Photoshop 3.0\0" + block * 5_400)
    return jpeg_with(part * (31 * MIB // len(part)))


def jpeg_of_junk(byte: bytes) -> bytes:
    """Return a JPEG with 31 MiB of a byte between two of its segments."""
    return jpeg_with(segment(0xE1, b""), byte * (31 * MIB))


def jpeg_of_pictures() -> bytes:
    """Return a JPEG that lists thousands of further pictures (MPF)."""
    directory = b"II\x2a\0" + struct.pack("<IH", 8, 2)
    directory += struct.pack("<HHII", 0xB001, 4, 1, 4_000) + struct.pack("<HHII", 0xB002, 7, 64_000, 38) + bytes(4)
    return jpeg_with(segment(0xE2, b"MPF\0" + directory + bytes(64_000)))


def jpeg_of_arithmetic_codes() -> bytes:
    """Return a JPEG whose header says that it is coded arithmetically."""
    content = saved(Image.new("RGB", (64, 64)), "JPEG")
    return content.replace(b"\xff\xc0", b"\xff\xc9", 1)


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, colour: int = 2, lace: int = 0) -> bytes:
    """Return a PNG that says to be of a size, with these chunks."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, lace)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", header), *chunks, (b"IEND", b""))
    )


def png_of_zeros(width: int, height: int, *, channels: int = 1, colour: int = 0, depth: int = 8) -> bytes:
    """Return a PNG all of zeros, with all of its pixels."""
    line = 1 + width * channels * depth // 8
    packer = zlib.compressobj(9)
    rows = max(1, 4 * MIB // line)
    parts = [packer.compress(bytes(line * min(rows, height - start))) for start in range(0, height, rows)]
    return png(width, height, (b"IDAT", b"".join(parts) + packer.flush()), colour=colour, depth=depth)


def png_of_texts(texts: int) -> bytes:
    """Return a PNG with so many comments."""
    return png(1, 1, *[(b"tEXt", b"a\0b")] * texts, (b"IDAT", zlib.compress(bytes(4))))


def png_of_chunks(chunks: int) -> bytes:
    """Return a PNG whose pixels come in so many chunks, all but one of them empty."""
    return png(1, 1, *[(b"IDAT", b"")] * chunks, (b"IDAT", zlib.compress(bytes(4))))


def png_that_swells(kind: bytes) -> bytes:
    """Return a PNG with a profile or comments of 31 MiB of zeros each, well packed."""
    packed = zlib.compress(bytes(31 * MIB), 9)
    body = {b"iCCP": b"a\0\0" + packed, b"zTXt": b"a\0\0" + packed, b"iTXt": b"a\0\x01\0\0\0" + packed}[kind]
    return png(1, 1, *[(kind, body)] * 500, (b"IDAT", zlib.compress(bytes(4))))


def gif(width: int, height: int, *before: bytes) -> bytes:
    """Return a GIF that says to be of a size, with extensions before its frame, which is of one pixel."""
    return (
        b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
        b"" + b"".join(before) + b"," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02\x44\x01\0;"
    )


def gif_of_comments() -> bytes:
    """Return a GIF with a comment of 31 MiB, one byte a block."""
    return gif(1, 1, b"!\xfe" + b"\x01a" * (31 * MIB // 2) + b"\0")


def bmp(width: int, height: int, data: bytes, *, bits: int = 8, compression: int = 0) -> bytes:
    """Return a BMP with a grey palette where it needs one."""
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256)) if bits <= 8 else b""
    head = struct.pack("<IiiHHIIIIII", 40, width, height, 1, bits, compression, len(data), 0, 0, 256 * (bits <= 8), 0)
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + palette + data


def bmp_of_one_line(width: int) -> bytes:
    """Return a BMP RLE of one line, of which one pixel is told."""
    return bmp(width, 1, b"\x01\x05\0\0\0\x01", compression=1)


def bmp_of_moves(size: int) -> bytes:
    """Return a BMP RLE of 100 x 100 of codes that move by nothing, each of which costs a round in Python."""
    return bmp(100, 100, b"\0\x02\0\0" * (size // 4), compression=1)


def tiff(*tags: tuple[int, int, int, int], data: bytes = b"", big: bool = False) -> bytes:
    """Return a TIFF of one directory, whose tags are (tag, type, count, value or offset); the data begins at 8."""
    if big:
        head = b"II\x2b\0" + struct.pack("<HHQ", 8, 0, 16 + len(data))
        entries = b"".join(struct.pack("<HHQQ", *tag) for tag in tags)
        return head + data + struct.pack("<Q", len(tags)) + entries + bytes(8)
    head = b"II\x2a\0" + struct.pack("<I", 8 + len(data))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return head + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def _tiff_size(width: int, height: int, compression: int = 1) -> list[tuple[int, int, int, int]]:
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (277, 3, 1, 1),
    ]


def tiff_of_strips(strips: int, *, compression: int = 1) -> bytes:
    """Return a TIFF of one pixel with so many offsets of strips."""
    data = np.full(strips, 8, "<u2").tobytes()
    tags = [*_tiff_size(1, 1, compression), (273, 3, strips, 8), (278, 4, 1, 1), (279, 4, 1, 1)]
    return tiff(*tags, data=data)


def tiff_of_a_tile(side: int) -> bytes:
    """Return a TIFF of one pixel with a tile of side x side, deflated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    row = packer.compress(bytes(side)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", side * side % 65_521, 1)  # Adler-32 of that many zeros
    data = b"\x78\xda" + row * side + b"\x03\0" + checksum
    tags = [*_tiff_size(1, 1, 8), (322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 8), (325, 4, 1, len(data))]
    return tiff(*tags, data=data)


def tiff_of_shared_tags() -> bytes:
    """Return a TIFF of 1 MiB with 900 tags that all name the whole of it."""
    data = bytes(MIB)
    shared = [(40_000 + index, 7, len(data), 8) for index in range(900)]
    return tiff(*_tiff_size(1, 1), (273, 4, 1, 8), (278, 4, 1, 1), (279, 4, 1, 1), *shared, data=data)


def tiff_of_scans() -> bytes:
    """Return a TIFF of a strip that is a progressive JPEG of 1,200 scans."""
    data = jpeg_of_scans(1_200)
    tags = [*_tiff_size(8000, 8000, 7), (273, 4, 1, 8), (278, 4, 1, 8000), (279, 4, 1, len(data))]
    return tiff(*tags, data=data)


def heic_that_says(width: int, height: int, *, really: tuple[int, int] = (64, 64)) -> bytes:
    """Return a HEIC that says to be of another size than it is."""
    told, lie = (b"ispe" + struct.pack(">III", 0, *size) for size in (really, (width, height)))
    content = saved(Image.new("RGB", really, "red"), "HEIF")
    assert content.count(told) == 1
    return content.replace(told, lie)


def heic_of_boxes(count: int) -> bytes:
    """Return a HEIC with so many empty boxes before all others but the first."""
    content = saved(Image.new("RGB", (64, 48), "red"), "HEIF")
    first = int.from_bytes(content[:4], "big")
    return content[:first] + struct.pack(">I4s", 8, b"free") * count + content[first:]


def heic_of_sizes(count: int) -> bytes:
    """Return what has a HEIC's boxes, with so many sizes of images."""
    sizes = struct.pack(">I4sIII", 20, b"ispe", 0, 64, 48) * count
    inner = struct.pack(">I4s", 8 + len(sizes), b"ipco") + sizes
    middle = struct.pack(">I4s", 8 + len(inner), b"iprp") + inner
    meta = struct.pack(">I4sI", 12 + len(middle), b"meta", 0) + middle
    return struct.pack(">I4s4sI4s", 20, b"ftyp", b"heic", 0, b"mif1") + meta


def webp_of_frames(width: int, height: int, frames: int = 1) -> bytes:
    """Return an animated WebP with a canvas of a size and frames of a pixel."""
    pixel = saved(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    head = struct.pack("<B3x", 0x02) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    frame = bytes(6) + bytes(6) + (100).to_bytes(3, "little") + b"\0" + pixel
    chunks = b"".join(
        kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for kind, body in ((b"VP8X", head), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames)
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


Make = Callable[[], bytes]

CHEAP: Final[Mapping[str, tuple[Make, str]]] = {
    "JPEG of 1,200 scans": (lambda: jpeg_of_scans(1_200), TOO_COMPLEX),
    "JPEG of 7.8 MB of markers": (lambda: jpeg_of_markers(7_800_000), TOO_COMPLEX),
    "JPEG of 31 MiB of EXIF": (jpeg_of_much_exif, ""),
    "JPEG of Photoshop's blocks": (jpeg_of_photoshop, ""),
    "JPEG of zeros between segments": (lambda: jpeg_of_junk(b"\0"), TOO_COMPLEX),
    "JPEG of padding between segments": (lambda: jpeg_of_junk(b"\xff"), TOO_COMPLEX),
    "JPEG of shared EXIF": (jpeg_of_exif, ""),
    "JPEG of many pictures": (jpeg_of_pictures, ""),
    "PNG of a million texts": (lambda: png_of_texts(1_000_000), TOO_COMPLEX),
    "PNG of a million chunks": (lambda: png_of_chunks(1_000_000), TOO_COMPLEX),
    "PNG 1 x 64,000,000": (lambda: png_of_zeros(1, 64_000_000), TOO_LARGE),
    "PNG whose profile swells": (lambda: png_that_swells(b"iCCP"), UNDECODABLE),
    "PNG whose comments swell": (lambda: png_that_swells(b"zTXt"), UNDECODABLE),
    "PNG whose texts swell": (lambda: png_that_swells(b"iTXt"), UNDECODABLE),
    "BMP RLE 64,000,000 x 1": (lambda: bmp_of_one_line(64_000_000), TOO_LARGE),
    "TIFF of 16 million strips": (lambda: tiff_of_strips(16_000_000), TOO_COMPLEX),
    "TIFF with a tile of 46,000 x 46,000": (lambda: tiff_of_a_tile(46_000), TOO_COMPLEX),
    "TIFF of tags that share bytes": (tiff_of_shared_tags, TOO_COMPLEX),
    "GIF of 16 million comments": (gif_of_comments, TOO_COMPLEX),
    "animated WebP 16383 x 3906": (lambda: webp_of_frames(16_383, 3_906), TOO_COMPLEX),
    "HEIC that says to be 60,000 x 60,000": (lambda: heic_that_says(60_000, 60_000), TOO_LARGE),
    "HEIC that says to be 66,000 x 10": (lambda: heic_that_says(66_000, 10), TOO_LARGE),
    "HEIC of a million boxes": (lambda: heic_of_boxes(1_000_000), TOO_COMPLEX),
    "HEIC of a million sizes": (lambda: heic_of_sizes(1_000_000), TOO_COMPLEX),
    "HEIC of 65,535 pieces": (lambda: heic.with_extents(65_535), UNDECODABLE),
    "HEIC of four million pieces": (lambda: heic.with_items(60), UNDECODABLE),
    "HEIC that is made of itself": (lambda: heic.with_references(1, b"dimg", b"auxl", b"thmb"), UNDECODABLE),
    "HEIC of twelve million references": (lambda: heic.with_references(60_000, *[b"dimg"] * 200), UNDECODABLE),
    "HEIC of 30 million properties": (lambda: heic.with_properties(120_000), UNDECODABLE),
    "HEIC that is a grid": (lambda: heic.grid(2, 2, 512, 384), ""),
    "HEIC that is a grid of itself": (lambda: heic.grid(2, 2, 512, 384, of=2), ""),
    "HEIC of 65,025 tiles that says to be 64 x 64": (lambda: heic.grid(255, 255, 64, 64), UNDECODABLE),
    "HEIC of 65,025 tiles that says to be 7,000 x 7,000": (lambda: heic.grid(255, 255, 7_000, 7_000), UNDECODABLE),
    "animated WebP of a million frames": (lambda: webp_of_frames(1, 1, 500_000), TOO_COMPLEX),
}
"""What is refused by its structure, or decoded without what would make it dear (the reason is empty then)."""

DEAR: Final[Mapping[str, tuple[Make, str]]] = {
    "BMP RLE of 900 lines": (lambda: bmp(65_535, 900, b"\x01\x05\0\0" * 900, compression=1), TOO_COMPLEX),
    "BMP RLE of 8 million moves": (lambda: bmp_of_moves(31 * MIB), TOO_COMPLEX),
    "TIFF of a JPEG of 1,200 scans": (tiff_of_scans, UNDECODABLE),
    "TIFF of 65,535 strips": (lambda: tiff_of_strips(65_535), ""),
    "JPEG of 99 scans": (lambda: jpeg_of_scans(99), ""),
    "JPEG of a million restarts": (jpeg_of_restarts, ""),
    "PNG of 64 megapixels": (lambda: png_of_zeros(8000, 8000, channels=3, colour=2), ""),
    "PNG of 64 megapixels, 16 bits, with alpha": (
        lambda: png_of_zeros(8000, 8000, channels=4, colour=6, depth=16),
        "",
    ),
    "PNG of 64 megapixels, interlaced, cut": (lambda: png(8000, 8000, (b"IDAT", b""), lace=1), UNDECODABLE),
    "animated WebP 8000 x 5500": (lambda: webp_of_frames(8_000, 5_500), ""),
    "HEIC that says to be 7,000 x 7,000": (lambda: heic_that_says(7_000, 7_000), UNDECODABLE),
    "HEIC of 4000 x 3000 that says to be 8 x 8": (lambda: heic_that_says(8, 8, really=(4_000, 3_000)), UNDECODABLE),
    "GIF of 64 megapixels": (lambda: gif(8000, 8000), ""),
}
"""What is decoded in a process of its own, or ended there once it has taken too much."""
