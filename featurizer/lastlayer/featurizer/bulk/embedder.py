"""Featurizes the images of a shard, with the network in this process: the same way that the service goes."""

import asyncio
import errno
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.sources.parquet import RowReader
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import Loaded
from lastlayer.featurizer.pipeline.pipeline import Featurized, Pipeline
from lastlayer.rpc.errors import ImageError
from lastlayer.rpc.vectors import View, place

_READERS: Final = 8
"""How many images are read at once: an object store takes a while to answer."""

_IN_FLIGHT: Final = 64
"""How many images of a shard are read, or read and not yet featurized."""

MAX_IMAGE_BYTES: Final = 32 * 2**20
"""What the service accepts, too: a message has no room for more."""


_TOO_LARGE: Final = f"IMAGE_TOO_LARGE: The file has more than the {MAX_IMAGE_BYTES // 2**20} MiB that are accepted."


class Shard(NamedTuple):
    """The features of a shard's images."""

    table: pa.Table
    """A row for each image, in order: id, sha256, label, a list of numbers for each tap of each view, error."""
    failed: int
    """How many have an error, and no features."""


class Embedder:
    """Featurizes shards one after the other, all processors busy. Use it as a context manager."""

    def __init__(self, loaded: Loaded, settings: FeaturizerSettings, files: Files, *, column: str | None) -> None:
        """`column` is that of Parquet files with the images."""
        self._files = files
        self._column = column
        self._dimensions = {tap.name: tap.dimension for tap in loaded.graph.taps}
        self._runner = asyncio.Runner()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")

        async def make() -> Pipeline:
            return Pipeline.from_settings(
                loaded.graph, loaded.spec.preprocessing, settings, batch_images=loaded.variant.batch_images
            )

        self._pipeline = self._runner.run(make())

    def __enter__(self) -> "Embedder":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._pipeline.stop())
        self._readers.shutdown(cancel_futures=True)
        self._runner.close()

    def embed(
        self,
        items: Sequence[Item],
        taps: Sequence[str],
        dtype: str,
        on_image: Callable[[], None] = lambda: None,
        views: Sequence[str] = (View.CROP.label,),
    ) -> Shard:
        """Return the features of images at some taps, of views with some labels, as `float32` or `float16`.

        `on_image` is called after each image. An image that cannot be featurized is a row with the reason. Raises
        OSError where images cannot be read for now, so that a later run may.
        """
        return self._runner.run(self._embed(items, taps, dtype, on_image, [View.parse(view) for view in views]))

    async def _embed(
        self,
        items: Sequence[Item],
        taps: Sequence[str],
        dtype: str,
        on_image: Callable[[], None],
        views: Sequence[View],
    ) -> Shard:
        vectors = {
            place(tap, view): np.zeros((len(items), self._dimensions[tap]), np.dtype(dtype))
            for view in views
            for tap in taps
        }
        checksums: list[str | None] = [None] * len(items)
        errors: list[str | None] = [None] * len(items)
        places = asyncio.Semaphore(_IN_FLIGHT)
        # One for each shard: it holds rows of a Parquet file.
        reader = _Reader(self._files, self._column)
        loop = asyncio.get_running_loop()

        async def featurize(row: int, item: Item) -> None:
            async with places:
                found = await loop.run_in_executor(self._readers, reader.read_hashed, item)
                if isinstance(found, str):
                    errors[row] = found
                else:
                    content, checksums[row] = found
                    [outcome] = await self._pipeline.featurize([content], taps, deadline=None, wait=True, views=views)
                    if isinstance(outcome, Featurized):
                        for view, of_view in zip(views, outcome.views, strict=True):
                            for tap in taps:
                                vectors[place(tap, view)][row] = of_view[tap]
                    else:
                        errors[row] = _reason(outcome)
                on_image()

        try:
            async with asyncio.TaskGroup() as group:
                for row, item in enumerate(items):
                    group.create_task(featurize(row, item))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return _shard(items, checksums, vectors, errors)


class _Reader:
    """Reads the bytes of images, in several threads at once."""

    def __init__(self, files: Files, column: str | None) -> None:
        self._files = files
        self._rows = RowReader(files, column)

    def read_hashed(self, item: Item) -> tuple[bytes, str] | str:
        """Return the bytes of an image and their sha256 in hexadecimal digits, or why there are none for good."""
        content = self.read(item)
        return content if isinstance(content, str) else (content, hashlib.sha256(content).hexdigest())

    def read(self, item: Item) -> bytes | str:
        """Return the bytes of an image, or why there are none for good."""
        try:
            if item.kind == "tar":
                if item.size > MAX_IMAGE_BYTES:
                    return _TOO_LARGE
                return self._files.read(item.url, item.offset, item.offset + item.size)
            content = (
                self._rows.read(item.url, item.offset)
                if item.kind == "parquet"
                else self._files.read_start(item.url, MAX_IMAGE_BYTES + 1)
            )
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return f"NOT_FOUND: There is no file `{item.url}`."
        except PermissionError:
            return f"PERMISSION_DENIED: `{item.url}` may not be read."
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            return f"NOT_FOUND: There is no file `{item.url[:200]}…`."
        except ValueError as error:  # such as a NUL in a path
            return f"NOT_FOUND: There is no file `{item.url}`: {error}."
        return content if len(content) <= MAX_IMAGE_BYTES else _TOO_LARGE


def _reason(error: ImageError) -> str:
    return f"{error.reason}: {error}"


def _shard(
    items: Sequence[Item],
    checksums: Sequence[str | None],
    vectors: dict[str, npt.NDArray[np.floating]],
    errors: Sequence[str | None],
) -> Shard:
    whole = np.array([error is None for error in errors], bool)
    columns = {
        "id": pa.array([item.id for item in items], pa.string()),
        "sha256": pa.array(checksums, pa.string()),
        "label": pa.array([item.label for item in items], pa.string()),
        **{tap: _lists(values, whole) for tap, values in vectors.items()},
        "error": pa.array(errors, pa.string()),
    }
    return Shard(pa.table(columns), int(np.count_nonzero(~whole)))


def _lists(values: npt.NDArray[np.floating], whole: npt.NDArray[np.bool_]) -> pa.ListArray:
    """Return the rows of [n, d] as lists, and none for rows that are not whole."""
    offsets = np.concatenate([[0], np.cumsum(whole) * values.shape[1]]).astype(np.int32)
    kept = values if whole.all() else values[whole]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(kept.reshape(-1)), mask=pa.array(~whole))
