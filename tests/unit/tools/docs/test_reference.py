"""The reference has all that there is, and says of each error what to do."""

import inspect

import click
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from lastlayer.client import Client
from lastlayer.open_inference import service_pb2
from lastlayer.v1 import classifier_pb2, featurizer_pb2, types_pb2
from tools.docs.reference import commands, contract, http, python, tables

needs_buf = pytest.mark.skipif(
    not contract.BUF.exists(), reason="buf is not installed: run `make .venv-protos/installed`"
)


@needs_buf
def test_every_method_message_and_field_of_the_contract_is_there() -> None:
    pages = contract.pages()
    assert set(pages) == {"classifier", "featurizer", "types", "open_inference"}
    for name, module in (
        ("classifier", classifier_pb2),
        ("featurizer", featurizer_pb2),
        ("types", types_pb2),
        ("open_inference", service_pb2),
    ):
        file = module.DESCRIPTOR
        page = pages[name]
        methods = [method for service in file.services_by_name.values() for method in service.methods]
        assert all(f"### {method.name} {{" in page for method in methods)
        for message in file.message_types_by_name.values():
            section = page.partition(f"### {message.name} {{ #{message.name.lower()} }}")[2].partition("\n### ")[0]
            rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
            assert [row[0].strip("| `") for row in rows] == [field.name for field in message.fields]
            assert all(row[3].strip(" |") for row in rows), f"a field of {message.name} is not explained"


@needs_buf
def test_types_lead_to_where_they_are_explained() -> None:
    page = contract.pages()["classifier"]
    assert "| `images` | repeated [Image](types.md#image) | " in page
    assert "[PredictRequest](#predictrequest) → [PredictResponse](#predictresponse)" in page
    assert "| `libraries` | map of string to string | 22 |" in page


@needs_buf
def test_every_reason_has_its_code_cause_and_cure() -> None:
    reasons = contract.reasons(contract.files()["lastlayer/v1/types.proto"])
    assert {f"ERROR_REASON_{reason.name}" for reason in reasons} | {"ERROR_REASON_UNSPECIFIED"} == set(
        types_pb2.ErrorReason.keys()
    )
    overloaded = next(reason for reason in reasons if reason.name == "OVERLOADED")
    assert overloaded.code == "RESOURCE_EXHAUSTED"
    assert overloaded.cure.startswith("Wait ")
    assert all(reason.cause and reason.cure.endswith(".") for reason in reasons)


def test_a_reason_that_does_not_say_what_to_do_is_an_error() -> None:
    file = FileDescriptorProto(name="x.proto")
    reasons = file.enum_type.add(name="ErrorReason")
    reasons.value.add(name="ERROR_REASON_UNSPECIFIED", number=0)
    reasons.value.add(name="ERROR_REASON_BROKEN", number=1)
    file.source_code_info.location.add(path=[5, 0, 2, 1], leading_comments=" INTERNAL: it is broken.\n")
    with pytest.raises(ValueError, match="ERROR_REASON_BROKEN"):
        contract.reasons(file)
    file.source_code_info.location[0].leading_comments += " Cure: mend it.\n"
    assert contract.reasons(file) == [contract.Reason("BROKEN", "INTERNAL", "It is broken", "", "Mend it.")]


def test_every_command_and_option_is_there() -> None:
    pages = commands.pages()
    assert list(pages) == ["lastlayer", "client", "featurizer", "classifier-svc", "studio"]

    def check(command: click.Command, context: click.Context, page: str) -> None:
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or all(option in page for option in parameter.opts)
        if isinstance(command, click.Group):
            for name, below in commands.below(command).items():
                inner = click.Context(below, parent=context, info_name=name)
                assert page.count(f"## `{inner.command_path}` {{") == 1
                check(below, inner, page)

    for name, group in commands.programs().items():
        check(group, click.Context(group, info_name=name), pages[name])


def test_a_setting_that_is_empty_by_default_shows_nothing() -> None:
    assert "| `CLASSIFIER_STORE_URL` |  | where data is kept" in tables.settings()


def test_every_path_and_parameter_of_the_http_door_is_there() -> None:
    api = http.description()
    page = http.page(api)
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            _, _, after = page.partition(f"### `{method.upper()} {path}` {{")
            section = after.partition("\n### ")[0]
            queries = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
            assert section
            assert [name for name in queries if f"\n| `{name}` | " not in section] == []
    assert "Answers 200 with [Predictions](#predictions)." in page
    assert "| `accuracy_interval` | list of number and number or `null` |  |" in page
    assert "ValidationError" not in page  # which nothing answers


def test_every_public_name_of_python_is_there_once() -> None:
    named = [line.rpartition(".")[2] for line in python.page().splitlines() if line.startswith("::: ")]
    assert {"Client", "ImageSource", "write_tiny_backbone"} <= set(named)
    assert sorted(named) == sorted(python.PUBLIC)


def test_every_method_of_the_client_is_there_once() -> None:
    [shown] = [line for line in python.page().splitlines() if line.startswith("      members: [")]
    methods = [name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")]
    assert sorted(shown.removeprefix("      members: [").removesuffix("]").split(", ")) == methods


def test_examples_of_docstrings_are_fenced() -> None:
    assert python.fence("Add.\n\n>>> 1 + 1\n2\n\nMore.") == "Add.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."
