"""Bytes of images from paths, memory and open files, and names that may be sent."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.client import ImageError
from lastlayer.client.data.images import MAX_IMAGE_BYTES, read_image, wire_name
from lastlayer.client.transport.batching import MAX_BYTES, MAX_IMAGES, batches


def test_all_sources_give_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        assert {read_image(path), read_image(str(path)), read_image(b"content"), read_image(file)} == {b"content"}


def test_what_is_too_large_is_refused_without_reading_it_all() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return bytes(size)

    endless = Endless()
    with pytest.raises(ImageError, match=r"larger than 31\.9 MiB"):
        read_image(endless)  # type: ignore[arg-type]
    assert endless.taken < 2 * MAX_IMAGE_BYTES
    with pytest.raises(ImageError, match="larger"):
        read_image(bytes(MAX_IMAGE_BYTES + 1))


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.jpg", "FILE_NOT_FOUND"), (tmp_path, "FILE_UNREADABLE")):
        with pytest.raises(ImageError) as caught:
            read_image(path)
        assert caught.value.reason == reason
    with pytest.raises(ImageError, match="null"):
        read_image("a\0b.jpg")

    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(ImageError, match=r"The image cannot be read: Input/output error\."):
        read_image(Broken())  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.text(st.characters(), max_size=600))
def test_any_name_can_be_sent(name: str) -> None:
    sent = wire_name(name)
    assert len(sent.encode()) <= 1024
    assert "\0" not in sent


@settings(deadline=None)
@given(st.lists(st.integers(0, MAX_BYTES + 10), max_size=60))
def test_batches_keep_order_and_bounds(sizes: list[int]) -> None:
    class Sized(bytes):
        """As long as it says, without the memory."""

        def __new__(cls, size: int) -> "Sized":
            made = super().__new__(cls)
            made.size = size
            return made

        size: int

        def __len__(self) -> int:
            return self.size

    cut = list(batches((index, Sized(size)) for index, size in enumerate(sizes)))
    assert [key for batch in cut for key, _ in batch] == list(range(len(sizes)))
    for batch in cut:
        assert 1 <= len(batch) <= MAX_IMAGES
        assert len(batch) == 1 or sum(len(content) for _, content in batch) <= MAX_BYTES
