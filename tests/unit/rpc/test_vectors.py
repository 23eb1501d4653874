"""Vectors survive the wire bit by bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lastlayer.rpc.vectors import pack, unpack


@given(hnp.arrays(np.float32, st.integers(0, 64)))
def test_round_trip_is_exact(vector: np.ndarray) -> None:
    assert unpack(pack(vector)).tobytes() == vector.tobytes()


def test_the_encoding_is_little_endian_float32() -> None:
    assert pack(np.array([1.0, -2.0], np.float32)) == bytes.fromhex("0000803f000000c0")


def test_big_endian_input_is_swapped() -> None:
    assert pack(np.array([1.0], ">f4")) == bytes.fromhex("0000803f")
