"""Featurizes the images of shards, with the network in this process: the same way that the service goes."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lastlayer.featurizer.bulk.files import Files
from lastlayer.featurizer.bulk.items import Item
from lastlayer.featurizer.bulk.output import Done, Output
from lastlayer.featurizer.bulk.plan import Run, read_shard
from lastlayer.featurizer.bulk.sources.parquet import RowReader
from lastlayer.featurizer.bulk.unfinished import UnfinishedShard
from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.network.loading import Loaded
from lastlayer.featurizer.pipeline.pipeline import Pipeline

_READERS: Final = 8
"""How many images are read at once: an object store takes a while to answer."""

_IN_FLIGHT: Final = 64
"""How many images are read, or read and not yet featurized. And how many of a shard are begun before the one before it
is in its place, which a kill would have done once more: enough to keep the processors busy meanwhile."""

MAX_IMAGE_BYTES: Final = 32 * 2**20
"""What the service accepts, too: a message has no room for more."""


_TOO_LARGE: Final = f"IMAGE_TOO_LARGE: The file has more than the {MAX_IMAGE_BYTES // 2**20} MiB that are accepted."


class Embedder:
    """Featurizes shards one after the other, all processors busy. Use it as a context manager."""

    def __init__(
        self,
        loaded: Loaded,
        settings: FeaturizerSettings,
        files: Files,
        run: Run,
        *,
        on_image: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_image` is called after each image."""
        self._files = files
        self._run = run
        self._on_image = on_image
        self._dimensions = {tap.name: tap.dimension for tap in loaded.graph.taps}
        self._runner = asyncio.Runner()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")

        async def make() -> Pipeline:
            return Pipeline.from_settings(loaded.graph, loaded.spec.preprocessing, settings)

        self._pipeline = self._runner.run(make())
        self._places = asyncio.Semaphore(_IN_FLIGHT)

    def __enter__(self) -> "Embedder":
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._pipeline.stop())
        self._readers.shutdown(cancel_futures=True)
        self._runner.close()

    def embed(self, output: Output, shards: Sequence[int]) -> Iterator[Done]:
        """Featurize shards of a plan and commit them, in order; yield each that is in its place.

        The first images of a shard are begun while the one before is written. An image that cannot be featurized is a
        row with the reason. Raises OSError where images cannot be read, or shards written, for now, so that a later run
        may.
        """
        done = self._embed(output, shards)

        async def find_next() -> Done | None:
            return await anext(done, None)

        try:
            while (shard := self._runner.run(find_next())) is not None:
                yield shard
        finally:
            self._runner.run(done.aclose())

    async def _embed(self, output: Output, shards: Sequence[int]) -> AsyncGenerator[Done, None]:
        writing: asyncio.Task[Done] | None = None  # the shard before
        making: _Making | None = None
        try:
            for shard in shards:
                items = await asyncio.to_thread(read_shard, output.plan, self._files, shard)
                making = _Making(UnfinishedShard(items, self._run, self._dimensions), self._files, self._run.column)
                await self._begin(making, items[:_IN_FLIGHT], 0)
                if writing is not None:
                    yield await writing
                await self._begin(making, items[_IN_FLIGHT:], _IN_FLIGHT)
                writing = asyncio.create_task(self._commit(output, shard, making))
                if making.failure is not None:
                    break
            if writing is not None:
                yield await writing
        finally:
            left = [*(making.tasks if making else ()), *([writing] if writing else [])]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _begin(self, making: "_Making", items: Sequence[Item], first: int) -> None:
        """Begin images, of which the first has the row `first`, as there is room; none any more once one has failed."""
        for row, item in enumerate(items, first):
            await self._places.acquire()
            if making.failure is not None:
                self._places.release()
                return
            task = asyncio.create_task(self._featurize(making, row, item))
            making.tasks.add(task)
            task.add_done_callback(making.ended)
            task.add_done_callback(lambda _: self._places.release())

    async def _featurize(self, making: "_Making", row: int, item: Item) -> None:
        found = await asyncio.get_running_loop().run_in_executor(self._readers, making.reader.read_hashed, item)
        if isinstance(found, str):
            making.shard.refuse(row, found)
        else:
            content, checksum = found
            [outcome] = await self._pipeline.featurize(
                [content], self._run.taps, deadline=None, wait=True, views=making.shard.views
            )
            making.shard.put(row, checksum, outcome)
        self._on_image()

    @staticmethod
    async def _commit(output: Output, shard: int, making: "_Making") -> Done:
        """Write a shard once all its images have ended."""
        while making.tasks:
            await asyncio.wait(making.tasks)
        if making.failure is not None:
            raise making.failure
        return await asyncio.to_thread(lambda: output.commit(shard, making.shard.table(), making.shard.failed))


class _Making:
    """A shard with what is being done for it."""

    def __init__(self, shard: UnfinishedShard, files: Files, column: str | None) -> None:
        self.shard = shard
        # One for each shard: it holds rows of a Parquet file.
        self.reader = _Reader(files, column)
        self.tasks: set[asyncio.Task[None]] = set()
        """Those of its images that have not ended."""
        self.failure: BaseException | None = None
        """Why the shard cannot be finished for now."""

    def ended(self, task: asyncio.Task[None]) -> None:
        """Take note that an image has ended."""
        self.tasks.discard(task)
        if not task.cancelled() and self.failure is None:
            self.failure = task.exception()


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
