"""The program that decodes images apart from the service: one after the other, from its input to its output."""

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO, Final

from lastlayer.featurizer.pipeline.decoding import Decoded, decode_whole
from lastlayer.featurizer.pipeline.sandbox import wire
from lastlayer.rpc.errors import ImageError
from lastlayer.rpc.system.memory import give_back_free_memory

_NICENESS: Final = 5
"""Ordinary images, and the network, come first."""

_SLACK_BYTES: Final = 64 * 2**20
"""What a decoder may use beside what its image is expected to take."""


def main() -> None:
    """Decode until the input ends."""
    os.nice(_NICENESS)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # which ends the process, in the middle of whatever it does
    with os.fdopen(os.dup(1), "wb") as answers:
        # Nothing else gets between the answers.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                _answer_next(sys.stdin.buffer, answers)


def _answer_next(requests: BinaryIO, answers: BinaryIO) -> None:
    width, height, max_pixels, memory_bytes, cpu_s, views, thumbnail, hashes, size = wire.REQUEST.unpack(
        wire.read_exactly(requests, wire.REQUEST.size)
    )
    content = wire.read_exactly(requests, size)
    _limit_memory(memory_bytes + _SLACK_BYTES)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    try:
        decoded = decode_whole(
            content,
            width=width,
            height=height,
            max_pixels=max_pixels,
            views=wire.unpack_views(views),
            thumbnail=thumbnail,
            hashes=hashes,
        )
        kind, body = wire.DONE, _packed(decoded)
    except ImageError as error:
        kind, body = wire.REFUSED, json.dumps([error.reason, error.message, error.metadata]).encode()
    except MemoryError:
        kind, body = wire.OUT_OF_MEMORY, b""
    except Exception as error:  # of our own making: the service logs it
        kind, body = wire.FAILED, repr(error).encode()
    signal.setitimer(signal.ITIMER_PROF, 0)
    _limit_memory(None)
    answers.write(wire.ANSWER.pack(kind, len(body)) + body)
    answers.flush()
    del content
    give_back_free_memory()


def _packed(decoded: Decoded) -> bytes:
    head = wire.DECODED.pack(len(decoded.thumbnail), len(decoded.hashes))
    seen = (wire.REGION.pack(*view.region) + view.pixels.tobytes() for view in decoded.seen.values())
    return head + decoded.thumbnail + decoded.hashes + b"".join(seen)


def _limit_memory(more_bytes: int | None) -> None:
    """Let this process take so many bytes more than it has; None takes the limit away. Does nothing but on Linux."""
    if sys.platform != "linux":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = hard
    if more_bytes is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        soft = pages * resource.getpagesize() + more_bytes
        soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


if __name__ == "__main__":
    main()
