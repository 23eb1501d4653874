"""The picture of the structure says what imports what, and in which order."""

import pytest

from tools.structure import edges, layers, packages, reduced


def test_each_layer_imports_from_below_alone() -> None:
    assert layers({"top": {"middle", "low"}, "middle": {"low"}, "low": set(), "aside": set()}) == [
        ["top"],
        ["middle"],
        ["aside", "low"],
    ]


def test_a_circle_is_an_error_and_is_named() -> None:
    with pytest.raises(ValueError, match="through one, two"):
        layers({"one": {"two"}, "two": {"one"}, "low": set()})


def test_an_arrow_that_a_longer_way_shows_is_left_out() -> None:
    assert reduced({"top": {"middle", "low"}, "middle": {"low"}, "low": set()}) == {
        "top": {"middle"},
        "middle": {"low"},
        "low": set(),
    }


def test_our_packages_and_their_imports_are_found() -> None:
    found = edges(packages())
    assert found["lastlayer.classifier"] == {"lastlayer.open_inference", "lastlayer.rpc", "lastlayer.v1"}
    assert found["lastlayer.v1"] == set()


def test_imports_of_folders_are_those_of_all_that_is_in_them() -> None:
    found = edges(["lastlayer.client.commands", "lastlayer.client.output", "lastlayer.client.errors"])
    assert found["lastlayer.client.commands"] == {"lastlayer.client.output", "lastlayer.client.errors"}
    assert "lastlayer.client.commands" not in found["lastlayer.client.output"]
