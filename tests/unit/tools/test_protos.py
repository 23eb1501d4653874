"""The checks of the contract find what they are there to find."""

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from lastlayer.v1 import classifier_pb2, featurizer_pb2, types_pb2
from tools.protos import BASELINE, PROTOS, breaks, stale_stubs, uncommented


@pytest.fixture
def contract() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(BASELINE.read_bytes())


def changed(contract: FileDescriptorSet) -> FileDescriptorSet:
    copy = FileDescriptorSet()
    copy.CopyFrom(contract)
    return copy


def message_named(contract: FileDescriptorSet, name: str):
    return next(message for file in contract.file for message in file.message_type if message.name == name)


def test_the_baseline_is_what_the_stubs_say(contract: FileDescriptorSet) -> None:
    stubs = FileDescriptorSet()
    for module in (types_pb2, featurizer_pb2, classifier_pb2):
        stubs.file.add().ParseFromString(module.DESCRIPTOR.serialized_pb)
    assert breaks(contract, stubs) == breaks(stubs, contract) == []


def test_additions_break_nothing(contract: FileDescriptorSet) -> None:
    newer = changed(contract)
    message_named(newer, "Image").field.add(name="extra", number=99, type=9, label=1)
    newer.file[0].message_type.add(name="Extra")
    assert breaks(contract, newer) == []


def test_a_removed_field_breaks(contract: FileDescriptorSet) -> None:
    newer = changed(contract)
    del message_named(newer, "Image").field[1]
    assert breaks(contract, newer) == ["lastlayer.v1.Image.content was removed or renamed"]


def test_a_renumbered_field_breaks(contract: FileDescriptorSet) -> None:
    newer = changed(contract)
    message_named(newer, "Image").field[1].number = 9
    [problem] = breaks(contract, newer)
    assert problem == "lastlayer.v1.Image.content changed from optional bytes = 2 to optional bytes = 9"


def test_a_changed_type_breaks(contract: FileDescriptorSet) -> None:
    newer = changed(contract)
    message_named(newer, "Image").field[1].type = 9
    [problem] = breaks(contract, newer)
    assert problem.endswith("changed from optional bytes = 2 to optional string = 2")


def test_a_removed_method_and_a_changed_stream_break(contract: FileDescriptorSet) -> None:
    newer = changed(contract)
    service = next(service for file in newer.file for service in file.service if service.name == "Featurizer")
    del service.method[0]
    service.method[0].server_streaming = True
    problems = breaks(contract, newer)
    assert problems[0] == "lastlayer.v1.Featurizer.GetBackbone was removed or renamed"
    assert "returns (stream .lastlayer.v1.FeaturizeResponse)" in problems[1]


def test_a_renumbered_enum_value_breaks(contract: FileDescriptorSet) -> None:
    newer = changed(contract)
    enum = next(enum for file in newer.file for enum in file.enum_type if enum.name == "Recipe")
    enum.value[1].number = 7
    assert breaks(contract, newer) == ["lastlayer.v1.Recipe.RECIPE_AUTO changed from 1 to 7"]


def test_everything_without_a_comment_is_named(contract: FileDescriptorSet) -> None:
    # The baseline is stored without its comments, so all of its elements are found, of every kind.
    names = uncommented(contract)
    for name in (
        "lastlayer.v1.Image",
        "lastlayer.v1.Image.content",
        "lastlayer.v1.ExampleOutcome.outcome",
        "lastlayer.v1.ExampleOutcome.Conflict.labels",
        "lastlayer.v1.TapKind.TAP_KIND_VECTOR",
        "lastlayer.v1.Classifier",
        "lastlayer.v1.Classifier.Train",
    ):
        assert name in names
    assert not any("_log_loss_reduction" in name for name in names), "a oneof that protoc made for `optional`"


def test_stale_missing_and_left_over_stubs_are_named(tmp_path: Path) -> None:
    fresh, committed = tmp_path / "fresh/lastlayer/v1", tmp_path / "committed/lastlayer/v1"
    for folder in (fresh, committed):
        folder.mkdir(parents=True)
        (folder / "same_pb2.py").write_text("same")
    (fresh / "changed_pb2.pyi").write_text("new")
    (committed / "changed_pb2.pyi").write_text("old")
    (fresh / "missing_pb2_grpc.py").write_text("new")
    (committed / "left_over_pb2.py").write_text("old")
    assert stale_stubs(tmp_path / "fresh", tmp_path / "committed") == [
        "lastlayer/v1/changed_pb2.pyi",
        "lastlayer/v1/left_over_pb2.py",
        "lastlayer/v1/missing_pb2_grpc.py",
    ]


def test_the_stubs_were_made_by_a_generator_of_protobuf_6() -> None:
    """Runtimes load stubs of their own major version and of the one before: these load with 6 and with 7."""
    stubs = sorted((PROTOS / "lastlayer/v1").glob("*_pb2.py"))
    assert len(stubs) == 3
    for stub in stubs:
        assert re.search(r"^# Protobuf Python Version: 6\.", stub.read_text(), re.MULTILINE)
