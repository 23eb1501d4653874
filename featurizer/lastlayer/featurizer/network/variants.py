"""The ways to run a network on this machine: engines, and the numbers that they compute in."""

import hashlib
import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path
from typing import Final, NamedTuple

from lastlayer.featurizer.config import EngineName, FeaturizerSettings, Precision
from lastlayer.featurizer.errors import BackboneError
from lastlayer.rpc.system.cpu_quota import available_processors

_CPUINFO: Final = Path("/proc/cpuinfo")


class Variant(NamedTuple):
    """An engine and a precision."""

    engine: EngineName
    precision: Precision

    def __str__(self) -> str:
        return f"{self.precision} by {self.engine}"

    @property
    def batch_images(self) -> int:
        """The most images that run at once, in three batches, by default: OpenVINO gains nothing from more."""
        return 12 if self.engine == "openvino" else 18


FULL: Final = Variant("tensorflow", "float32")
"""What all others are compared with."""


def reduced_precision(*, gpu: bool, cpuinfo: Path = _CPUINFO) -> Precision | None:
    """Return the numbers of 16 bits that the device multiplies faster, if any.

    Of a processor those are bfloat16 with AVX512-BF16 or AMX; without, they are emulated and slower than float32.
    """
    if gpu:
        return "float16"
    try:
        return "bfloat16" if re.search(r"\b(avx512_bf16|amx_bf16)\b", cpuinfo.read_text()) else None
    except OSError:  # not Linux
        return None


def has_openvino() -> bool:
    """Return whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def find_variants(
    settings: FeaturizerSettings, *, gpu: bool, reduced: Precision | None, quantized: bool
) -> list[Variant]:
    """Return the variants that the settings allow and this machine has, those that are likely to be fast first.

    `quantized` says whether the network is there in int8. Raises BackboneError where the settings ask for what is not.
    """
    if settings.precision == "bfloat16" and reduced != "bfloat16":
        raise BackboneError(
            "FEATURIZER_PRECISION is `bfloat16`, but this machine has no AVX512-BF16 or AMX, or runs the network on a "
            "GPU; `auto` and `float32` work everywhere."
        )
    if "openvino" in (settings.engine, "openvino" if settings.precision == "int8" else "") and not has_openvino():
        asked = "FEATURIZER_ENGINE is `openvino`" if settings.engine == "openvino" else "FEATURIZER_PRECISION is `int8`"
        raise BackboneError(
            f"{asked}, but OpenVINO is not installed: `pip install 'lastlayer[featurizer-openvino]'` brings it, and "
            "`tensorflow` in `float32` works without."
        )
    found: list[Variant] = []
    # OpenVINO runs on processors alone, where a GPU is not for it to beat.
    if has_openvino() and (not gpu or settings.engine == "openvino"):
        found += [Variant("openvino", "int8")] if quantized else []
        found += [Variant("openvino", "bfloat16")] if reduced == "bfloat16" else []
        found += [Variant("openvino", "float32")]
    found += [Variant("tensorflow", reduced)] if reduced else []
    found += [FULL]
    return [
        variant
        for variant in found
        if settings.engine in ("auto", variant.engine) and settings.precision in ("auto", variant.precision)
    ]


def machine_key(device: str, *, cpuinfo: Path = _CPUINFO) -> str:
    """Return what tells machines apart on which other variants may be the fastest, 16 hexadecimal digits.

    `device` is what TensorFlow runs on.
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    described = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    versions = [
        importlib.metadata.version(name)
        for name in ("tensorflow", "tensorflow-cpu", "openvino")
        if _is_distributed(name)
    ]
    told = json.dumps([device, described, available_processors(), versions])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _is_distributed(name: str) -> bool:
    return any(True for _ in importlib.metadata.distributions(name=name))
