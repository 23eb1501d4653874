"""The ways to run a network that a machine offers."""

import sys
from pathlib import Path
from typing import Any

import pytest

from lastlayer.featurizer.config import FeaturizerSettings, Precision
from lastlayer.featurizer.errors import BackboneError
from lastlayer.featurizer.network.variants import FULL, Variant, find_variants, machine_key, reduced_precision
from lastlayer.rpc.settings import SettingsError, load_settings


def variants(*, gpu: bool = False, reduced: Precision | None = None, quantized: bool = False, **settings: Any) -> list:
    asked = FeaturizerSettings.model_validate({"engine": "auto", "precision": "auto"} | settings)
    return find_variants(asked, gpu=gpu, reduced=reduced, quantized=quantized)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu avx2 avx512f avx512bw", None),
        ("fpu avx2 avx512f avx512_bf16 amx_tile", "bfloat16"),
        ("fpu amx_bf16", "bfloat16"),
        ("fpu not_avx512_bf16_at_all", None),
    ],
)
def test_a_processor_needs_instructions_for_bfloat16(tmp_path: Path, flags: str, expected: Precision | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    assert reduced_precision(gpu=False, cpuinfo=cpuinfo) == expected


def test_a_gpu_has_float16_whatever_the_processor(tmp_path: Path) -> None:
    assert reduced_precision(gpu=True, cpuinfo=tmp_path / "absent") == "float16"


def test_a_system_without_cpuinfo_offers_none(tmp_path: Path) -> None:
    assert reduced_precision(gpu=False, cpuinfo=tmp_path / "absent") is None


def test_auto_considers_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variants() == [Variant("openvino", "float32"), FULL]
    assert variants(reduced="bfloat16", quantized=True) == [
        Variant("openvino", "int8"),
        Variant("openvino", "bfloat16"),
        Variant("openvino", "float32"),
        Variant("tensorflow", "bfloat16"),
        FULL,
    ]
    # A GPU is TensorFlow's.
    assert variants(gpu=True, reduced="float16", quantized=True) == [Variant("tensorflow", "float16"), FULL]
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert variants(reduced="bfloat16", quantized=True) == [Variant("tensorflow", "bfloat16"), FULL]


def test_what_is_insisted_on_is_all_there_is() -> None:
    assert variants(engine="tensorflow", precision="float32", reduced="bfloat16", quantized=True) == [FULL]
    assert variants(precision="int8", quantized=True) == [Variant("openvino", "int8")]
    assert [variant.engine for variant in variants(precision="bfloat16", reduced="bfloat16")] == [
        "openvino",
        "tensorflow",
    ]
    assert {variant.precision for variant in variants(engine="openvino", reduced="bfloat16")} == {"float32", "bfloat16"}
    assert variants(engine="openvino", gpu=True, reduced="float16") == [Variant("openvino", "float32")]


def test_what_is_not_there_cannot_be_insisted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackboneError, match=r"FEATURIZER_PRECISION is `bfloat16`, but .*`auto` and `float32` work"):
        variants(precision="bfloat16")
    with pytest.raises(BackboneError, match=r"FEATURIZER_PRECISION is `bfloat16`, but"):
        variants(precision="bfloat16", gpu=True, reduced="float16")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackboneError, match=r"FEATURIZER_ENGINE is `openvino`, but OpenVINO is not installed: `pip"):
        variants(engine="openvino")
    with pytest.raises(BackboneError, match=r"FEATURIZER_PRECISION is `int8`, but OpenVINO is not installed: `pip"):
        variants(precision="int8", quantized=True)


def test_tensorflow_has_no_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURIZER_PRECISION", "int8")
    monkeypatch.setenv("FEATURIZER_ENGINE", "tensorflow")
    with pytest.raises(SettingsError, match="FEATURIZER_PRECISION=int8 needs FEATURIZER_ENGINE to be openvino or auto"):
        load_settings(FeaturizerSettings)


def test_machines_are_told_apart_by_what_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, same, other = (tmp_path / name for name in ("first", "same", "other"))
    first.write_text("model name\t: A\ncpu MHz\t: 2000\nflags\t: avx2\n")
    same.write_text("model name\t: A\ncpu MHz\t: 2100\nflags\t: avx2\n\nmodel name\t: A\nflags\t: avx2\n")
    other.write_text("model name\t: A\ncpu MHz\t: 2000\nflags\t: avx2 avx512_bf16\n")
    key = machine_key("CPU", cpuinfo=first)
    assert key == machine_key("CPU", cpuinfo=same)
    assert key != machine_key("CPU", cpuinfo=other)
    assert key != machine_key("GPU: one", cpuinfo=first)
    monkeypatch.setattr("lastlayer.featurizer.network.variants.available_processors", lambda: 999)
    assert key != machine_key("CPU", cpuinfo=first)
