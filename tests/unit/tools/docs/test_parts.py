"""The parts of pages that are made from the code."""

import pytest

from tools.docs.parts import refresh


def test_a_part_is_made_anew_and_the_rest_stays() -> None:
    text = "before\n<!-- part -->\nold\n<!-- /part -->\nafter\n"
    assert refresh(text, {"part": lambda: r"new \1"}) == ("before\n<!-- part -->\n\nnew \\1\n\n<!-- /part -->\nafter\n")


def test_a_part_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place for `part`"):
        refresh("nothing", {"part": lambda: "x"})
