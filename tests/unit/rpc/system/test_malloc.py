"""What the featurizer's process keeps of its memory from batch to batch, and gives back when nothing comes."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from lastlayer.rpc.system.malloc import keep_batches_on_heap
from lastlayer.rpc.system.memory import give_back_free_memory

MB = 2**20
THREADS = 3
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
together = threading.Barrier(THREADS)

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // MB

def batch(_):
    blocks = [library.malloc(15 * MB) for _ in range(3)]
    for block in blocks:
        ctypes.memset(block, 1, 15 * MB)
    together.wait()
    for block in blocks:
        library.free(block)
    together.wait()

keep_batches_on_heap()
with ThreadPoolExecutor(THREADS) as threads:
    before = resident()
    list(threads.map(batch, range(THREADS)))
    kept = resident()
    give_back_free_memory()
    print(kept - before, resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc's heaps")
def test_free_memory_of_threads_is_kept_and_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept_mb, left_mb = map(int, done.stdout.split())
    assert kept_mb >= 3 * 3 * 15
    assert left_mb < 15
