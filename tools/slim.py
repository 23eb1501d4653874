"""Takes out of an environment what no program of ours runs: `PYTHON tools/slim.py`, with the environment's Python.

TensorFlow brings C++ headers, libclang, extensions for other compilers and the symbol tables of its libraries; OpenVINO
plugins for devices and formats that the featurizer has no use for; ONNX its sources; many packages bring their tests.
Together that is 0.7 GB.
"""

import shutil
import struct
import sysconfig
from pathlib import Path
from typing import Final

UNUSED: Final = (
    "clang",
    "onnx/**/*.cc",
    "onnx/**/*.h",
    "onnx/backend/test",
    "tensorflow/compiler/mlir/stablehlo/stablehlo_extension.so",
    "tensorflow/compiler/tf2xla/ops/_xla_ops.so",  # for programs that write XLA's operations themselves
    "tensorflow/include",
    "openvino/include",
    "openvino/libs/cache.json",  # kernels of the plugin for GPUs
    "openvino/libs/libopenvino_intel_[gn]pu_plugin.so",
    "openvino/libs/libopenvino_gguf_frontend.so.*",
    "openvino/libs/libopenvino_jax_frontend.so.*",
    "openvino/libs/libopenvino_onnx_frontend.so.*",
    "openvino/libs/libopenvino_paddle_frontend.so.*",
    "openvino/libs/libopenvino_pytorch_frontend.so.*",
    "openvino/libs/libopenvino_tensorflow_lite_frontend.so.*",
    "**/tests",
)
"""What is removed, seen from `site-packages`, where it is there."""

_ELF64_LITTLE_ENDIAN: Final = b"\x7fELF\x02\x01"
_HEADER_BYTES: Final = 64


def main(site_packages: Path) -> None:
    """Slim what is installed in a folder, and say by how much."""
    before = _size(site_packages)
    for path in [path for pattern in UNUSED for path in site_packages.glob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # which went with a folder around it
    for path in (site_packages / "tensorflow").rglob("*.so*"):
        if path.is_file() and not path.is_symlink():
            drop_symbols(path)
    after = _size(site_packages)
    print(f"{site_packages}: {before / 1e6:.0f} MB, now {after / 1e6:.0f} MB")


def drop_symbols(library: Path) -> None:
    """Cut a shared library of 64-bit Linux off after what is loaded of it; other files stay as they are.

    The loader reads program headers. What follows the last byte that they name is for linkers and debuggers, and so
    are the section headers (as `sstrip` of the ELF kickers does).
    """
    with library.open("rb") as file:
        header = bytearray(file.read(_HEADER_BYTES))
        if len(header) < _HEADER_BYTES or not header.startswith(_ELF64_LITTLE_ENDIAN):
            return
        (table,) = struct.unpack_from("<Q", header, 32)
        entry_bytes, entries = struct.unpack_from("<HH", header, 54)
        file.seek(table)
        programs = file.read(entry_bytes * entries)
        ends = [_HEADER_BYTES, table + len(programs)]
        for start in range(0, len(programs), entry_bytes):
            offset, _, _, loaded = struct.unpack_from("<4Q", programs, start + 8)
            ends.append(offset + loaded)
        end = max(ends)
        if end >= library.stat().st_size:
            return
        header[40:48] = bytes(8)  # where the section headers are,
        header[60:64] = bytes(4)  # how many, and which of them names the others
        # A new file: the old one may be shared with a cache by a hard link.
        slim = library.with_name(f"{library.name}.slim")
        file.seek(_HEADER_BYTES)
        with slim.open("wb") as written:
            written.write(header)
            left = end - _HEADER_BYTES
            while left and (chunk := file.read(min(left, 1 << 20))):
                written.write(chunk)
                left -= len(chunk)
    shutil.copymode(library, slim)
    slim.replace(library)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


if __name__ == "__main__":
    main(Path(sysconfig.get_path("platlib")))
