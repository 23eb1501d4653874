"""Declarations of backbones: what is built in, what is refused and how it is said, and what a digest is over."""

import hashlib
import json
from pathlib import Path

import pytest

from lastlayer.featurizer.backbones.hashed_file import hash_file
from lastlayer.featurizer.backbones.spec import BackboneSpec, builtin, builtin_names, read_backbone
from lastlayer.featurizer.errors import BackboneError
from tests.shared import SHARED, needs_shared

DECLARATION = """\
name = "mine"
description = "my own network"
format = "frozen_graph"
input = "input:0"

[preprocessing]
width = 32
height = 24
mean = [1, 2.5, 3]
scale = 0.5

[[taps]]
name = "deep"
tensor = "deep:0"

[[taps]]
name = "scores"
tensor = "scores:0"
class_scores = true

[[weights]]
file = "mine.pb"
"""


def declare(folder: Path, text: str = DECLARATION) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_built_in_backbones() -> None:
    assert builtin_names() == ["googlenet", "inception5h", "inception_v3", "xception"]
    for name in builtin_names():
        assert builtin(name).name == name
        assert builtin(name).description


def test_inception5h_is_the_network_of_the_tutorial() -> None:
    spec = builtin("inception5h")
    assert (spec.preprocessing.width, spec.preprocessing.height) == (224, 224)
    assert (spec.preprocessing.mean, spec.preprocessing.scale) == ((117, 117, 117), 1)
    assert [tap.name for tap in spec.taps] == [
        "mixed3b", "mixed4b", "mixed4d", "mixed4e", "avgpool0", "softmax2_pre_activation"
    ]  # fmt: skip
    assert [tap.class_scores for tap in spec.taps] == [False] * 5 + [True]


def test_googlenet_is_to_be_had_from_a_mirror_alone() -> None:
    assert [(file.url, file.package) for file in builtin("googlenet").weights] == [("", "")]


@needs_shared
def test_the_checksum_of_googlenet_is_that_of_its_provenance() -> None:
    [file] = builtin("googlenet").weights
    assert file.checksum is not None
    assert file.checksum.removeprefix("sha256:") in (SHARED / "models/googlenet/PROVENANCE.md").read_text()


def test_an_unknown_name_gets_the_closest_and_all_others() -> None:
    with pytest.raises(BackboneError) as caught:
        builtin("inception5")
    assert str(caught.value) == (
        "There is no backbone `inception5`: did you mean `inception5h`? the built-in ones are googlenet, inception5h, "
        "inception_v3, xception; one of your own is named by the path of its TOML file."
    )


def test_a_declaration_is_read(tmp_path: Path) -> None:
    spec = read_backbone(declare(tmp_path))
    assert spec.name == "mine"
    assert spec.preprocessing.mean == (1.0, 2.5, 3.0)
    assert [(tap.name, tap.tensor, tap.class_scores) for tap in spec.taps] == [
        ("deep", "deep:0", False),
        ("scores", "scores:0", True),
    ]
    assert spec.weights[0].file == "mine.pb"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "mine"', "", "`name` is missing."),
        ("[preprocessing]", "[preprocesing]", "`preprocesing` is not known; did you mean `preprocessing`?"),
        ("width = 32", "widht = 32", "`preprocessing.widht` is not known; did you mean `width`?"),
        ("width = 32", "width = 0", "`preprocessing.width`: Input should be greater than or equal to 1."),
        ("mean = [1, 2.5, 3]", "mean = [1]", "`preprocessing.mean[1]` is missing."),
        ("mean = [1, 2.5, 3]", "mean = [nan, 1, 1]", "`preprocessing.mean[0]`: Input should be a finite number."),
        ("scale = 0.5", "scale = 0", "`preprocessing.scale`: Input should be greater than 0."),
        ('tensor = "deep:0"', "", "`taps[0].tensor` is missing."),
        ('name = "scores"', 'name = "deep"', "two taps have the same name."),
        ('tensor = "deep:0"', 'tensor = "deep:0"\nclass_scores = true', "more than one tap is marked as"),
        (
            'tensor = "deep:0"',
            'tensor = "deep:0"\nin_digest = 1.5',
            "`taps[0].in_digest`: Input should be a valid boolean",
        ),
        ('name = "mine"', 'name = "../mine"', "`name`: String should match pattern"),
        ('file = "mine.pb"', 'file = "../mine.pb"', "`weights[0].file`: String should match pattern"),
        ('input = "input:0"', "", 'format "frozen_graph" needs `input`.'),
        ('input = "input:0"', 'input = "input:0"\napplication = "Xception"', 'format "frozen_graph" has no `app'),
        ('format = "frozen_graph"', 'format = "onnx"', "`format`: Input should be 'frozen_graph' or 'keras'."),
        ('file = "mine.pb"', 'file = "mine.pb"\nurl = "http://a/"', "`weights[0]`: a file that is downloaded needs"),
        ('file = "mine.pb"', 'file = "mine.pb"\nchecksum = "sha256:1"', "`weights[0].checksum`: String should match"),
        ('file = "mine.pb"', 'file = "mine.pb"\npackage = "mine"', "`weights[0].package`: String should match"),
        ('file = "mine.pb"', 'file = "m.pb"\npackage = "mine==1"', "`weights[0]`: `package` needs `members` and"),
        ('file = "mine.pb"', 'file = "m.pb"\npackage = "m==1"\nurl = "http://a/"', "`weights[0]`: give either `url`"),
        ('name = "mine"', "name = mine", "is not valid TOML: "),
    ],
)
def test_a_wrong_declaration_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in DECLARATION
    path = declare(tmp_path, DECLARATION.replace(old, new, 1))
    with pytest.raises(BackboneError) as caught:
        read_backbone(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=rf"`{tmp_path}/no\.toml` cannot be read: No such file"):
        read_backbone(tmp_path / "no.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(BackboneError, match="it is not UTF-8 text"):
        read_backbone(tmp_path / "latin.toml")


def digest(folder: Path, text: str = DECLARATION, weights: bytes = b"weights") -> str:
    (folder / "any").write_bytes(weights)
    return read_backbone(declare(folder, text)).digest(hash_file(folder / "any"))


def test_a_digest_is_over_all_that_shapes_features(tmp_path: Path) -> None:
    digests = {
        digest(tmp_path),
        digest(tmp_path, weights=b"others"),
        digest(tmp_path, DECLARATION.replace("width = 32", "width = 33")),
        digest(tmp_path, DECLARATION.replace("2.5", "2.4")),
        digest(tmp_path, DECLARATION.replace("0.5", "0.4")),
        digest(tmp_path, DECLARATION.replace("input:0", "input:1")),
        digest(tmp_path, DECLARATION.replace("deep:0", "deep:1")),
    }
    assert len(digests) == 7
    assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in digests)


def test_a_digest_is_over_nothing_else(tmp_path: Path) -> None:
    other = DECLARATION.replace("my own", "the same").replace('"mine"', '"renamed"').replace("[1, 2.5", "[1.0, 2.50")
    assert digest(tmp_path, other) == digest(tmp_path)


def test_a_digest_stays_from_one_release_to_the_next(tmp_path: Path) -> None:
    # Written out: with another value all stored features and models would be refused.
    declared = (
        '{"application": "", "format": "frozen_graph", "input": "input:0", "preprocessing": {"height": 24, "mean": '
        '[1.0, 2.5, 3.0], "scale": 0.5, "width": 32}, "preprocessing_version": 1, "taps": [{"class_scores": false, '
        '"name": "deep", "tensor": "deep:0"}, {"class_scores": true, "name": "scores", "tensor": "scores:0"}]}'
    )
    assert digest(tmp_path) == hashlib.sha256(b"weights" + declared.encode()).hexdigest()


def test_the_digests_of_earlier_releases_are_known(tmp_path: Path) -> None:
    """They had the precision in them, and in 16 bits the engine unless that was TensorFlow."""
    declared = {
        "application": "",
        "format": "frozen_graph",
        "input": "input:0",
        "preprocessing": {"height": 24, "mean": [1.0, 2.5, 3.0], "scale": 0.5, "width": 32},
        "preprocessing_version": 1,
        "taps": [
            {"class_scores": False, "name": "deep", "tensor": "deep:0"},
            {"class_scores": True, "name": "scores", "tensor": "scores:0"},
        ],
    }
    former = [
        ({"precision": "bfloat16"}, "bfloat16"),
        ({"precision": "bfloat16", "engine": "openvino"}, "bfloat16"),
        ({"precision": "float16"}, "float16"),
    ]
    declaration = tmp_path / "tiny.toml"
    declaration.write_text(DECLARATION)
    (tmp_path / "weights").write_bytes(b"weights")
    assert read_backbone(declaration).former_digests(hash_file(tmp_path / "weights")) == {
        hashlib.sha256(b"weights" + json.dumps(declared | further, sort_keys=True).encode()).hexdigest(): precision
        for further, precision in former
    }


def test_a_tap_that_was_declared_later_leaves_the_digest_as_it_was(tmp_path: Path) -> None:
    later = '[[taps]]\nname = "shallow"\ntensor = "shallow:0"\n'
    assert digest(tmp_path, DECLARATION + later + "in_digest = false\n") == digest(tmp_path)
    assert digest(tmp_path, DECLARATION + later) != digest(tmp_path)


@pytest.mark.parametrize("name", ["googlenet", "inception5h"])
def test_the_digest_of_a_builtin_network_is_over_the_taps_of_the_first_release(name: str, tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(b"weights")
    spec = builtin(name)
    first = ("mixed4d", "mixed4e", "avgpool0", "softmax2_pre_activation")
    taps = tuple(tap for tap in spec.taps if tap.name in first)
    assert [tap.name for tap in taps] == list(first)
    weights = hash_file(tmp_path / "any")
    assert spec.digest(weights) == spec.model_copy(update={"taps": taps}).digest(weights)


def test_a_declaration_cannot_be_changed() -> None:
    spec: BackboneSpec = builtin("inception5h")
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"
