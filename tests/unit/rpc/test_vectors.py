"""Vectors survive the wire bit by bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lastlayer.rpc.vectors import View, pack, place, unpack
from lastlayer.v1 import types_pb2


@given(hnp.arrays(np.float32, st.integers(0, 64)))
def test_round_trip_is_exact(vector: np.ndarray) -> None:
    assert unpack(pack(vector)).tobytes() == vector.tobytes()


def test_the_encoding_is_little_endian_float32() -> None:
    assert pack(np.array([1.0, -2.0], np.float32)) == bytes.fromhex("0000803f000000c0")


def test_big_endian_input_is_swapped() -> None:
    assert pack(np.array([1.0], ">f4")) == bytes.fromhex("0000803f")


def test_views_are_those_of_the_contract() -> None:
    assert {view.wire: view.value for view in View} == dict(types_pb2.View.items()[1:])


def test_a_view_has_a_label_that_it_is_read_from() -> None:
    assert [View.parse(view.label) for view in View] == list(View)
    with pytest.raises(ValueError, match="no view `round`; there are crop, whole, crop-flipped, whole-flipped"):
        View.parse("round")


def test_the_crop_keeps_the_name_of_its_tap() -> None:
    assert [place("a", view) for view in View] == ["a", "a@whole", "a@crop-flipped", "a@whole-flipped"]
