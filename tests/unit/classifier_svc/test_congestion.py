"""The window of calls at the featurizer: open until it refuses, then as wide as it bears, and wider again in time."""

import contextlib
from collections.abc import Iterator

import pytest

from classifier_svc.congestion import CongestionWindow
from rpc.errors import FeaturizerUnavailableError, OverloadedError


@pytest.fixture
def window() -> CongestionWindow:
    return CongestionWindow()


@contextlib.contextmanager
def inside(window: CongestionWindow, images: int) -> Iterator[contextlib.ExitStack]:
    """Keep calls of one image in the window."""
    with contextlib.ExitStack() as stack:
        for _ in range(images):
            stack.enter_context(window.call(1))
        yield stack


def refuse(window: CongestionWindow, images: int = 1) -> None:
    """Make a call that the featurizer refuses."""
    with pytest.raises(OverloadedError, match="as the featurizer says"), window.call(images):
        raise OverloadedError("as the featurizer says", retry_after_s=2.5)


def test_everything_passes_until_the_featurizer_refuses(window: CongestionWindow) -> None:
    with inside(window, 10_000):
        pass


def test_after_a_refusal_only_as_many_pass_as_were_there(window: CongestionWindow) -> None:
    with inside(window, 3):
        refuse(window)
        with pytest.raises(OverloadedError, match="beside the 3 images") as caught, window.call(1):
            pytest.fail("it is refused before")
        assert caught.value.retry_after_s == 2.5
    with inside(window, 3), pytest.raises(OverloadedError, match="beside the 3 images"), window.call(1):
        pytest.fail("it is refused before")


def test_a_large_call_that_is_refused_leaves_room_for_small_ones(window: CongestionWindow) -> None:
    with inside(window, 3):
        refuse(window, images=20)
        with inside(window, 19), pytest.raises(OverloadedError, match="beside the 22 images"), window.call(1):
            pytest.fail("it is refused before")


def test_what_is_answered_widens_the_window(window: CongestionWindow) -> None:
    with inside(window, 3):
        refuse(window)
    for _ in range(4):
        with window.call(1):
            pass
    with inside(window, 3), pytest.raises(OverloadedError), window.call(1):
        pytest.fail("seven answers do not suffice")
    with inside(window, 4), pytest.raises(OverloadedError), window.call(1):
        pytest.fail("by now there is room for one more, but not for two")


def test_a_call_that_is_alone_passes_however_large_it_is(window: CongestionWindow) -> None:
    refuse(window)
    with window.call(256):
        pass


def test_other_failures_teach_nothing_and_give_the_room_back(window: CongestionWindow) -> None:
    with inside(window, 2):
        refuse(window)
    for _ in range(100):
        with pytest.raises(FeaturizerUnavailableError), window.call(2):
            raise FeaturizerUnavailableError("the featurizer")
    with inside(window, 2), pytest.raises(OverloadedError), window.call(1):
        pytest.fail("it is refused before")
