"""Which ids of requests are taken over from callers."""

import re

import pytest

from lastlayer.rpc.observability import request_ids


@pytest.mark.parametrize("sent", ["a", "0123456789abcdef", "A.b_c-1", "x" * 64])
def test_a_well_formed_id_is_taken_over(sent: str) -> None:
    assert request_ids.read([("other", "x"), ("x-request-id", sent), ("x-request-id", "second")]) == sent


@pytest.mark.parametrize("sent", ["", "x" * 65, "two\nlines", "a b", "\x1b[31m", "é", b"bytes"])
def test_any_other_is_replaced_so_that_no_log_is_forged(sent: str | bytes) -> None:
    assert re.fullmatch("[0-9a-f]{16}", request_ids.read([("x-request-id", sent)]))


def test_one_is_made_up_where_none_came() -> None:
    assert request_ids.read(None) != request_ids.read([])


def test_it_is_passed_on() -> None:
    assert request_ids.to_metadata() == ()
    token = request_ids.current.set("abc")
    try:
        assert request_ids.to_metadata() == (("x-request-id", "abc"),)
    finally:
        request_ids.current.reset(token)
