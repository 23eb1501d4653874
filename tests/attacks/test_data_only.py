"""What is stored or downloaded is data: no pickle is loaded, and nothing that a file holds is run."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastlayer.classifier.domain.errors import StoreCorruptError
from lastlayer.classifier.domain.head import Head
from lastlayer.featurizer.backbones.spec import BackboneSpec, read_backbone
from lastlayer.featurizer.errors import BackboneError
from lastlayer.testing.tiny_backbone import write_tiny_backbone

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("classifier_svc", "client", "featurizer", "local", "protos", "rpc", "studio")

LOADERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "torch", "jsonpickle"}
"""Modules that run what they read."""

CALLS = {"eval", "exec", "load_model", "from_config", "model_from_json", "read_pickle", "unsafe_load", "extractall"}
"""Functions that run what they are given, or write where it says."""


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.path, "run")


@pytest.fixture
def bomb(tmp_path: Path) -> Iterator[bytes]:
    """A pickle; fails where it has been loaded."""
    target = tmp_path / "exploded"
    content = pickle.dumps(Bomb(target))
    pickle.loads(content)  # it would work
    assert target.read_text() == "run"
    target.unlink()
    yield content
    assert not target.exists()


def dangers(source: str) -> list[str]:
    """Return what of a module could run what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.split(".")[0] in LOADERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LOADERS:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found += [name] if name in CALLS else []
            found += [f"{name}(allow_pickle)" for keyword in node.keywords if _allows_pickle(keyword)]
    return found


def _allows_pickle(keyword: ast.keyword) -> bool:
    return keyword.arg == "allow_pickle" and getattr(keyword.value, "value", True) is not False


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import joblib", ["joblib"]),
        ("from pickle import loads", ["pickle"]),
        ("np.load(path, allow_pickle=True)", ["load(allow_pickle)"]),
        ("np.load(path, allow_pickle=False)", []),
        ("keras.models.load_model(path)", ["load_model"]),
        ("archive.extractall(folder)", ["extractall"]),
        ("json.loads(text)", []),
    ],
)
def test_dangers_would_be_found(source: str, found: list[str]) -> None:
    assert dangers(source) == found


def test_no_module_can_load_a_pickle() -> None:
    modules = [path for root in SOURCES for path in (ROOT / root).rglob("*.py")]
    assert len(modules) > 100
    found = {str(path.relative_to(ROOT)): dangers(path.read_text(encoding="utf-8")) for path in modules}
    assert {path: names for path, names in found.items() if names} == {}


def test_a_head_that_is_a_pickle_is_damaged(bomb: bytes) -> None:
    with pytest.raises(StoreCorruptError):
        Head.from_bytes(bomb)


@pytest.mark.long
def test_weights_that_are_a_pickle_are_none(tmp_path: Path, bomb: bytes) -> None:
    # TensorFlow and Keras are imported where they are needed: each process of a parallel run imports all test files.
    from lastlayer.featurizer.network.frozen_graph import read_graph
    from lastlayer.featurizer.network.graph import configure_tensorflow
    from lastlayer.featurizer.network.keras_graph import freeze

    configure_tensorflow()  # before its first use: other tests of this process load networks, too
    graph = tmp_path / "graph.pb"
    graph.write_bytes(bomb)
    with pytest.raises(BackboneError):
        read_graph(graph)
    weights = tmp_path / "weights.h5"
    weights.write_bytes(bomb)
    own = write_tiny_backbone(tmp_path / "tiny")
    text = re.sub(r'input = ".*"', 'format = "keras"\napplication = "MobileNetV2"', Path(own).read_text())
    declared = tmp_path / "keras.toml"
    declared.write_text(text)
    spec: BackboneSpec = read_backbone(declared)
    with pytest.raises(BackboneError, match="does not hold the weights of MobileNetV2"):
        freeze(spec, weights, "")
