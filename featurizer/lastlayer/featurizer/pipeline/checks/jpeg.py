"""The structure of JPEG files (ITU-T T.81): segments up to the first scan, and the number of scans.

Metadata is left out of what the decoder sees, as Pillow looks into much of it in Python: EXIF directories, which may
name the same bytes thousands of times, resource blocks of Photoshop, lists of further pictures, comments.
"""

import re
from typing import Final, NamedTuple

from lastlayer.featurizer.pipeline.checks.orientation import read_orientation
from lastlayer.featurizer.pipeline.checks.structure import Structure, check_count, check_size, damaged, is_light

_MAX_SEGMENTS: Final = 2_000
"""The most segments before the first scan; a profile, EXIF and a large XMP packet come to a few hundred."""

_MAX_TABLE_BYTES: Final = 256 * 1024
"""The most bytes of tables before the first scan; an ordinary file has less than 2 KiB."""

_MAX_JUNK_BYTES: Final = 64 * 1024
"""The most bytes between two segments that belong to none."""

_MAX_SCANS: Final = 100
"""The most scans. Progressive files have about 10; each costs the decoder a pass over all coefficients."""

_LIGHT_SCANS: Final = 32
_MAX_EXIF_SEGMENTS: Final = 16

_MARKER: Final = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_MARKER_IN_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)

_SOI, _EOI, _SOS, _DHT, _DAC, _JPG = 0xD8, 0xD9, 0xDA, 0xC4, 0xCC, 0xC8
_APP0, _APP1, _APP15, _COM = 0xE0, 0xE1, 0xEF, 0xFE
_KEPT_METADATA: Final = (b"\xff\xe0", b"\xff\xee")
_KEPT_NAMES: Final = (b"JFIF\0", b"Adobe")
"""What says which colours there are, and so is kept of the metadata."""
_NO_MARKERS: Final = (b"", b"\0", b"\xff")
_STANDALONE: Final = frozenset((0x01, *range(0xD0, 0xD8)))
_SOF: Final = frozenset(range(0xC0, 0xD0)) - {_DHT, _DAC, _JPG}
_SEQUENTIAL: Final = (0xC0, 0xC1)
_PROGRESSIVE: Final = 0xC2
_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"


class _Frame(NamedTuple):
    """What the frame header says."""

    marker: int
    width: int
    height: int
    components: int
    coefficients_per_pixel: float
    """How many coefficients the components have for each pixel: 3 without subsampling, 1.5 of an ordinary photo."""


def inspect(content: bytes, max_pixels: int, longest: int) -> Structure:
    """Return what the structure of a JPEG file tells; see `checks.inspect`."""
    kept = [b"\xff\xd8"]
    kept_bytes = 0
    frame: _Frame | None = None
    exif: list[bytes] = []
    xmp = b""
    position, segments = 2, 0
    while True:
        start = _next_marker(content, position)
        marker = content[start + 1]
        if marker == _SOS:
            break
        position = start + 2
        if marker in _STANDALONE:
            continue
        segments += 1
        check_count("segments", segments, _MAX_SEGMENTS)
        end = position + int.from_bytes(content[position : position + 2], "big")
        if marker < 0xC0 or marker in (_SOI, _EOI) or end < position + 2 or end > len(content):
            raise damaged("JPEG")
        if marker == _COM or _APP0 <= marker <= _APP15:
            if marker == _APP1 and content.startswith(_EXIF, position + 2):
                exif += [content[position + 2 + len(_EXIF) : end]] if len(exif) < _MAX_EXIF_SEGMENTS else []
            elif marker == _APP1 and content.startswith(_XMP, position + 2):
                xmp = content[position + 2 + len(_XMP) : end]
            is_kept = content.startswith(_KEPT_METADATA, start) and content[start + 4 : start + 9] in _KEPT_NAMES
        else:
            is_kept = True
        if marker in _SOF:
            if frame is not None:
                raise damaged("JPEG")
            frame = _frame(marker, content[position + 2 : end])
            check_size(frame.width, frame.height, max_pixels)
        if is_kept:
            kept_bytes += end - start
            check_count("bytes of tables", kept_bytes, _MAX_TABLE_BYTES)
            kept.append(content[start:end])
        position = end
    if frame is None:
        raise damaged("JPEG")
    scans = _scans(content, start, frame)
    memory_bytes = _memory_bytes(frame, longest, scans) + 2 * len(content)
    light = is_light(
        memory_bytes,
        frame.width * frame.height,
        unusual=(frame.marker not in (*_SEQUENTIAL, _PROGRESSIVE), scans > _LIGHT_SCANS),
    )
    kept.append(content[start:])
    orientation = read_orientation(b"".join(exif), xmp)
    return Structure("JPEG", b"".join(kept), frame.width, frame.height, memory_bytes, light, orientation)


def _next_marker(content: bytes, position: int) -> int:
    """Return where the next marker begins, which is where the segment before it ends, unless there is junk between."""
    if content[position : position + 1] == b"\xff" and content[position + 1 : position + 2] not in _NO_MARKERS:
        return position
    match = _MARKER.search(content, position, position + _MAX_JUNK_BYTES)
    if match is None:
        check_count("bytes between its segments", len(content) - position, _MAX_JUNK_BYTES)
        raise damaged("JPEG")
    return match.end() - 2


def _frame(marker: int, body: bytes) -> _Frame:
    components = body[5] if len(body) >= 6 else 0
    if not components or len(body) < 6 + 3 * components:
        raise damaged("JPEG")
    factors = body[7 : 6 + 3 * components : 3]  # of each component, four bits across and four down
    most = (max(factors) >> 4) * max(factor & 15 for factor in factors)
    share = sum((factor >> 4) * (factor & 15) for factor in factors) / most if most else components
    return _Frame(
        marker,
        width=int.from_bytes(body[3:5], "big"),
        height=int.from_bytes(body[1:3], "big"),
        components=components,
        coefficients_per_pixel=share,
    )


def _scans(content: bytes, start: int, frame: _Frame) -> int:
    """Return the number of scans that the decoder looks at, of which the first is at `start`."""
    if frame.marker in _SEQUENTIAL and content[start + 4 : start + 5] == bytes([frame.components]):
        return 1  # it has all components, after which the decoder stops
    most = content.count(b"\xff\xda", start)
    if most <= _LIGHT_SCANS:
        return most
    # Some of them may be in the middle of something else.
    scans, position = 0, start
    for _ in range(_MAX_SEGMENTS):
        match = _MARKER_IN_SCAN.search(content, position)
        if match is None or content[match.end() - 1] == _EOI:
            return scans
        position = match.end()
        if content[position - 1] == _SOS:
            scans += 1
            check_count("scans", scans, _MAX_SCANS)
        position += int.from_bytes(content[position : position + 2], "big")
    check_count("segments", _MAX_SEGMENTS + 1, _MAX_SEGMENTS)
    return scans


def _memory_bytes(frame: _Frame, longest: int, scans: int) -> int:
    pixels = frame.width * frame.height
    # As Pillow's `draft` does it; lossless files have no scale.
    scale = min(frame.width // longest, frame.height // longest)
    scale = next((step for step in (8, 4, 2) if scale >= step), 1)
    if frame.marker not in (*_SEQUENTIAL, _PROGRESSIVE):
        scale = 1
    decoded = 8 * pixels // scale**2
    is_buffered = frame.marker not in _SEQUENTIAL or scans > 1
    # Of several scans the decoder keeps all coefficients, 16 bits each, until the last.
    return decoded + (round(2 * pixels * frame.coefficients_per_pixel) if is_buffered else 0)
