"""The program in which files are decoded as the service does it: it tells what each took, and dies of what kills it."""

import json
import re
import struct
import sys
import time
import warnings
from pathlib import Path

from lastlayer.featurizer.pipeline.decoding import decode_whole, inspect_for
from lastlayer.featurizer.pipeline.sandbox.pool import Sandbox
from lastlayer.rpc.errors import ImageError

MAX_PIXELS = 64_000_000
SIDE = 224
MIB = 2**20


def _memory(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _decode(sandbox: Sandbox, content: bytes) -> str:
    try:
        structure = inspect_for(content, width=SIDE, height=SIDE, max_pixels=MAX_PIXELS)
        if structure.is_light:
            decode_whole(content, width=SIDE, height=SIDE, max_pixels=MAX_PIXELS, thumbnail=True, structure=structure)
        else:
            sandbox.decode(structure, content, width=SIDE, height=SIDE, thumbnail=True)
    except ImageError as error:
        return error.reason
    except Exception as error:
        return f"FAULT {error!r}"
    return "DECODED"


def main() -> None:
    """Decode what comes, each file with its length before it, and print a line of JSON for each."""
    warnings.simplefilter("ignore")  # Pillow's, of odd but harmless metadata
    sandbox = Sandbox(max_pixels=MAX_PIXELS)
    while head := sys.stdin.buffer.read(4):
        content = sys.stdin.buffer.read(*struct.unpack("<I", head))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, began, began_wall = _memory("VmRSS"), time.process_time(), time.monotonic()
        outcome = _decode(sandbox, content)
        took = {
            "outcome": outcome,
            "cpu_s": time.process_time() - began,
            "wall_s": time.monotonic() - began_wall,
            "mib": (_memory("VmHWM") - before) / MIB,
        }
        print(json.dumps(took), flush=True)
    sandbox.close()


if __name__ == "__main__":
    main()
