"""Decodes images in processes of their own: each with a limit of memory and processor time, and few at once."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

import numpy as np

from lastlayer.featurizer.errors import ImageTooComplexError, ImageUndecodableError
from lastlayer.featurizer.pipeline.budget import ByteBudget
from lastlayer.featurizer.pipeline.checks.structure import Structure
from lastlayer.featurizer.pipeline.decoding import Decoded, Region, Seen
from lastlayer.featurizer.pipeline.sandbox import wire
from lastlayer.rpc.errors import NotReadyError, RelayedError
from lastlayer.rpc.vectors import CROP_ALONE, View

_COMMAND: Final = (sys.executable, "-P", "-m", "lastlayer.featurizer.pipeline.sandbox.worker")

_BASE_SECONDS: Final = 2.0
"""The processor time that any image may take."""

_SECONDS_PER_PIXEL: Final = 40e-9
"""What it may take for each pixel beside that: several times what ordinary files take."""

_WALL_SECONDS_PER_SECOND: Final = 30
"""How much longer a process may take for its processor time, on a busy machine, before it counts as stuck."""

_MIN_MEMORY_BYTES: Final = 512 * 2**20
_MEMORY_PER_PIXEL: Final = 8


class Sandbox:
    """Decodes, in processes that are started when they are needed, for threads that wait meanwhile."""

    def __init__(self, *, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        # As much as the largest image of an ordinary format takes, for all together.
        self._memory = ByteBudget(max(_MIN_MEMORY_BYTES, _MEMORY_PER_PIXEL * max_pixels))
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    def decode(
        self,
        structure: Structure,
        content: bytes,
        *,
        width: int,
        height: int,
        thumbnail: bool,
        hashes: bool = False,
        views: Sequence[View] = CROP_ALONE,
    ) -> Decoded:
        """Return what `decode_whole` returns of a file with this structure.

        Raises what it raises, ImageTooComplexError where it takes too much memory or processor time, or NotReadyError
        once closed.
        """
        if structure.memory_bytes > self._memory.total:
            raise _too_much_memory(self._memory.total)
        cpu_s = _BASE_SECONDS + _SECONDS_PER_PIXEL * structure.pixels
        packed = wire.pack_views(views)
        request = wire.REQUEST.pack(
            width, height, self._max_pixels, structure.memory_bytes, cpu_s, packed, thumbnail, hashes, len(content)
        )
        with self._memory.held(structure.memory_bytes):
            worker = self._taken()
            try:
                kind, body = worker.ask(request, content, wall_s=_WALL_SECONDS_PER_SECOND * cpu_s)
            except (EOFError, OSError, ValueError) as error:  # a ValueError where `close` closes the pipes meanwhile
                self._forget(worker)
                raise self._why(worker, cpu_s) from error
        # After a lack of memory nobody knows what is left of a process.
        if kind == wire.OUT_OF_MEMORY:
            self._forget(worker)
            raise _too_much_memory(structure.memory_bytes)
        with self._lock:
            self._idle.append(worker)
        return _decoded(kind, body, width, height, wire.unpack_views(packed))

    def close(self) -> None:
        """End the processes, what they are at included. Safe to call twice."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
        for worker in workers:
            self._forget(worker)

    def _taken(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise NotReadyError("The service is stopping; try again in a moment.")
            if self._idle:
                return self._idle.pop()
            worker = _Worker()
            self._all.add(worker)
            return worker

    def _forget(self, worker: "_Worker") -> None:
        with self._lock:
            self._all.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)
        worker.kill()

    def _why(self, worker: "_Worker", cpu_s: float) -> Exception:
        """Return the error of an image during which its process ended."""
        if self._closed:
            return NotReadyError("The service is stopping; try again in a moment.")
        if worker.was_too_slow:
            return ImageTooComplexError(
                f"The image takes more than {cpu_s:.1f} s of processor time to be decoded; save it anew as a plain "
                "JPEG or PNG.",
                bound="seconds of processor time",
                limit=round(cpu_s, 1),
            )
        return ImageUndecodableError("The image broke the decoder; save it anew as a plain JPEG or PNG.")


class _Worker:
    """A process that decodes one image after the other."""

    def __init__(self) -> None:
        # In a session of its own: a Ctrl-C in the terminal is for the service, which finishes what it is at.
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libtiff writes there what a file says
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        self._is_stuck = False

    @property
    def was_too_slow(self) -> bool:
        """Whether the process has ended as its time was up."""
        return self._is_stuck or self._process.returncode == -signal.SIGPROF

    def ask(self, request: bytes, content: bytes, *, wall_s: float) -> tuple[int, bytes]:
        """Return the kind of the answer and its body; raises EOFError, OSError or ValueError if the process ended."""
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:  # never: both are pipes
            raise EOFError
        requests.write(request)
        requests.write(content)
        requests.flush()
        poll = select.poll()
        poll.register(answers, select.POLLIN)
        if not poll.poll(wall_s * 1000):
            self._is_stuck = True
            raise EOFError
        kind, size = wire.ANSWER.unpack(wire.read_exactly(answers, wire.ANSWER.size))
        return kind, wire.read_exactly(answers, size)

    def kill(self) -> None:
        """End the process, whatever it does. Safe to call twice, and beside a thread that waits for it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()


def _decoded(kind: int, body: bytes, width: int, height: int, views: Sequence[View]) -> Decoded:
    if kind == wire.REFUSED:
        reason, message, metadata = json.loads(body)
        raise RelayedError(reason, message, metadata)
    if kind != wire.DONE:
        raise RuntimeError(f"an image could not be decoded apart: {body.decode(errors='replace')}")
    thumbnail_size, hashes_size = wire.DECODED.unpack_from(body)
    hashes_at = wire.DECODED.size + thumbnail_size
    views_at = at = hashes_at + hashes_size
    seen = {}
    for view in views:
        region = Region(*wire.REGION.unpack_from(body, at))
        pixels = np.frombuffer(body, np.uint8, height * width * 3, at + wire.REGION.size).reshape(height, width, 3)
        seen[view] = Seen(pixels, region)
        at += wire.REGION.size + pixels.size
    return Decoded(seen, body[wire.DECODED.size : hashes_at], body[hashes_at:views_at])


def _too_much_memory(limit: int) -> ImageTooComplexError:
    return ImageTooComplexError(
        f"The image takes more than {limit / 2**20:.0f} MiB of memory to be decoded; save it anew as a plain JPEG, or "
        "with fewer pixels.",
        bound="bytes of memory",
        limit=limit,
    )
