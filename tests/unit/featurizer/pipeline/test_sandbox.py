"""Decoding in processes of their own: the same pixels, and an end to what takes too long, too much, or breaks."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from PIL import Image

from lastlayer.featurizer.errors import ImageTooComplexError, ImageUndecodableError
from lastlayer.featurizer.pipeline.checks.structure import Structure
from lastlayer.featurizer.pipeline.decoding import Decoded, decode_whole, inspect_for
from lastlayer.featurizer.pipeline.sandbox import pool
from lastlayer.featurizer.pipeline.sandbox.pool import Sandbox
from lastlayer.rpc.errors import NotReadyError, RelayedError
from lastlayer.rpc.vectors import CROP_ALONE, View
from tests.attacks.featurizer.files import bmp, saved

SIZE = 32
MAX_PIXELS = 64_000_000
LONG_S = 60.0

SLOW = bmp(65_535, 900, b"\x01\x05\0\0" * 900, compression=1)
"""Takes minutes, as Pillow fills each line byte by byte."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(max_pixels=MAX_PIXELS)
    yield sandbox
    sandbox.close()


def structure_of(content: bytes) -> Structure:
    return inspect_for(content, width=SIZE, height=SIZE, max_pixels=MAX_PIXELS)


def decoded(
    sandbox: Sandbox, content: bytes, structure: Structure | None = None, views: Sequence[View] = CROP_ALONE
) -> Decoded:
    return sandbox.decode(
        structure or structure_of(content), content, width=SIZE, height=SIZE, thumbnail=True, hashes=True, views=views
    )


def picture(kind: str) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(
        Image.fromarray(noise), kind, **({"exif": exif} if kind in ("JPEG", "TIFF", "PNG", "WEBP", "HEIF") else {})
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "GIF", "TIFF", "BMP"])
def test_what_is_decoded_apart_is_what_is_decoded_here(sandbox: Sandbox, kind: str) -> None:
    content = picture(kind)
    views = [View.WHOLE, View.CROP_FLIPPED]
    here = decode_whole(
        content, width=SIZE, height=SIZE, max_pixels=MAX_PIXELS, views=views, thumbnail=True, hashes=True
    )
    assert here.hashes
    for _ in range(2):  # in one process after the other
        apart = decoded(sandbox, content, views=views)
        assert apart.seen.keys() == here.seen.keys() == set(views)
        for view in views:
            assert (apart.seen[view].pixels == here.seen[view].pixels).all()
            assert apart.seen[view].region == here.seen[view].region
        assert (apart.thumbnail, apart.hashes) == (here.thumbnail, here.hashes)
    assert len(sandbox._all) == 1


def test_an_image_is_refused_with_the_reason_that_it_is_refused_for_here(sandbox: Sandbox) -> None:
    content = picture("TIFF")
    with pytest.raises(RelayedError) as caught:
        decoded(sandbox, content[: len(content) // 2], structure_of(content))
    assert (caught.value.reason, caught.value.message) == (
        "IMAGE_UNDECODABLE",
        "The image is a damaged or incomplete TIFF file; it cannot be decoded.",
    )


def test_what_takes_too_much_processor_time_is_ended(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_BASE_SECONDS", 0.3)
    monkeypatch.setattr(pool, "_SECONDS_PER_PIXEL", 0.0)
    decoded(sandbox, picture("TIFF"))
    with pytest.raises(ImageTooComplexError, match=r"more than 0\.3 s of processor time") as caught:
        decoded(sandbox, SLOW)
    assert caught.value.metadata == {"bound": "seconds of processor time", "limit": "0.3"}
    decoded(sandbox, picture("TIFF"))


def test_what_is_stuck_is_ended(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_WALL_SECONDS_PER_SECOND", 0.05)
    with pytest.raises(ImageTooComplexError, match="processor time"):
        decoded(sandbox, SLOW)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_what_takes_more_memory_than_it_should_is_refused(sandbox: Sandbox) -> None:
    content = saved(Image.new("RGB", (8000, 8000)), "PNG")
    with pytest.raises(ImageTooComplexError, match="0 MiB of memory") as caught:
        decoded(sandbox, content, structure_of(content)._replace(memory_bytes=1))
    assert caught.value.metadata == {"bound": "bytes of memory", "limit": "1"}
    assert sandbox._all == set()
    decoded(sandbox, picture("TIFF"))


def test_what_would_take_more_memory_than_there_is_is_not_begun(sandbox: Sandbox) -> None:
    content = picture("TIFF")
    with pytest.raises(ImageTooComplexError, match="512 MiB of memory"):
        decoded(sandbox, content, structure_of(content)._replace(memory_bytes=2**30))
    assert sandbox._all == set()


def test_an_image_that_breaks_the_decoder_costs_nothing_but_itself(sandbox: Sandbox) -> None:
    decoded(sandbox, picture("TIFF"))
    [worker] = sandbox._all
    os.kill(worker._process.pid, signal.SIGSEGV)
    with pytest.raises(ImageUndecodableError, match="broke the decoder"):
        decoded(sandbox, picture("TIFF"))
    decoded(sandbox, picture("TIFF"))


def test_a_fault_of_ours_is_told_as_such(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="could not be decoded apart: ValueError"):
        sandbox.decode(structure_of(picture("TIFF")), picture("TIFF"), width=0, height=SIZE, thumbnail=False)
    decoded(sandbox, picture("TIFF"))


def test_closing_ends_what_is_being_decoded(sandbox: Sandbox) -> None:
    outcome: list[Exception] = []

    def decode_slowly() -> None:
        try:
            decoded(sandbox, SLOW)
        except Exception as error:
            outcome.append(error)

    decoded(sandbox, picture("TIFF"))
    [worker] = sandbox._all
    thread = threading.Thread(target=decode_slowly)
    thread.start()
    while sandbox._idle:
        time.sleep(0.001)
    sandbox.close()
    thread.join(LONG_S)
    assert [type(error) for error in outcome] == [NotReadyError]
    assert worker._process.returncode == -signal.SIGKILL
    with pytest.raises(NotReadyError):
        decoded(sandbox, picture("TIFF"))
    sandbox.close()
