"""A program that sends files through a pipeline, each in a process of its own, and tells what that took.

It reads their paths from its standard input, a line each, and answers each with a line of JSON; an empty line where the
file ended its process. All that it forks has imported what it needs, which takes longer than most of the files do.
"""

import asyncio
import json
import os
import re
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.featurizer.pipeline.pipeline import Featurized, Pipeline

MIB = 2**20
LONG_S = 300


class Network:
    """Answers with nothing but zeros."""

    def run(
        self, images: npt.NDArray[np.uint8], taps: Sequence[str], *, alone: bool
    ) -> Mapping[str, npt.NDArray[np.float32]]:
        return {tap: np.zeros((len(images), 1), np.float32) for tap in taps}

    def maps(self, images: npt.NDArray[np.uint8], taps: Sequence[str]) -> Mapping[str, npt.NDArray[np.float32]]:
        return {tap: np.zeros((len(images), 1, 1, 1), np.float32) for tap in taps}


def memory_mib(name: str) -> int:
    """Return what this process has (VmRSS), or had at most (VmHWM)."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024 // MIB


async def tell(content: bytes) -> str:
    pipeline = Pipeline(
        Network(),
        Preprocessing(width=224, height=224, mean=(0, 0, 0), scale=1),
        max_batch_images=16,
        max_queued_images=512,
        max_image_pixels=64_000_000,
        decode_threads=2,
    )
    before, began = memory_mib("VmRSS"), resource.getrusage(resource.RUSAGE_SELF)
    [outcome] = await pipeline.featurize([content], ["tap"], deadline=None, wait=False, thumbnails=True)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    await pipeline.stop()
    apart = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = {
        "reason": "" if isinstance(outcome, Featurized) else outcome.reason,
        "message": "" if isinstance(outcome, Featurized) else outcome.message,
        "here_s": ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime,
        "apart_s": apart.ru_utime + apart.ru_stime,
        "here_mib": memory_mib("VmHWM") - before,
        "apart_mib": apart.ru_maxrss * 1024 // MIB,
    }
    return json.dumps(told)


def main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            status = 1
            signal.alarm(LONG_S)  # ends it
            try:
                print(asyncio.run(tell(Path(line.rstrip("\n")).read_bytes())), flush=True)
                status = 0
            except BaseException:  # whatever it is, it ends this process alone
                sys.excepthook(*sys.exc_info())
            os._exit(status)
        if os.waitpid(process, 0)[1]:
            print(flush=True)


if __name__ == "__main__":
    main()
