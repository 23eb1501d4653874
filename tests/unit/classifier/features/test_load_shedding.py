"""The window of calls at the featurizer: open until it refuses, then as wide as it bears, and open again in time."""

import contextlib
from collections.abc import Iterator

import pytest

from lastlayer.classifier.domain.errors import FeaturizerUnavailableError
from lastlayer.classifier.features.load_shedding import CongestionWindow
from lastlayer.rpc.errors import OverloadedError


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def window(clock: Clock) -> CongestionWindow:
    return CongestionWindow(clock=clock)


@contextlib.contextmanager
def inside(window: CongestionWindow, images: int) -> Iterator[contextlib.ExitStack]:
    """Keep calls of one image in the window."""
    with contextlib.ExitStack() as stack:
        for _ in range(images):
            stack.enter_context(window.call(1))
        yield stack


def refuse(window: CongestionWindow, images: int = 1, retry_after_s: float = 0.5) -> None:
    """Make a call that the featurizer refuses."""
    with pytest.raises(OverloadedError, match="as the featurizer says"), window.call(images):
        raise OverloadedError("as the featurizer says", retry_after_s=retry_after_s)


def test_everything_passes_until_the_featurizer_refuses(window: CongestionWindow) -> None:
    with inside(window, 10_000):
        pass


def test_after_a_refusal_only_as_many_pass_as_were_there(window: CongestionWindow) -> None:
    with inside(window, 3):
        refuse(window)
        with pytest.raises(OverloadedError, match="beside the 3 images") as caught, window.call(1):
            pytest.fail("it is refused before")
        assert caught.value.retry_after_s == 0.5
    with inside(window, 3), pytest.raises(OverloadedError, match="beside the 3 images"), window.call(1):
        pytest.fail("it is refused before")


def test_whether_a_call_would_pass_can_be_asked_before_it_is_made(window: CongestionWindow) -> None:
    window.check(1)
    with inside(window, 3):
        refuse(window)
        with pytest.raises(OverloadedError, match="beside the 3 images"):
            window.check(1)
    window.check(1)  # nothing is inside


def test_a_large_call_that_is_refused_leaves_room_for_small_ones(window: CongestionWindow) -> None:
    with inside(window, 3):
        refuse(window, images=20)
        with inside(window, 19), pytest.raises(OverloadedError, match="beside the 22 images"), window.call(1):
            pytest.fail("it is refused before")


@pytest.mark.parametrize(
    ("retry_after_s", "closed_s"),
    [(0.25, 0.25), (1.0, 1.0), (3600.0, 1.0)],  # whatever it says, a second later it may have room
)
def test_a_refusal_is_forgotten_in_time(
    window: CongestionWindow, clock: Clock, retry_after_s: float, closed_s: float
) -> None:
    with inside(window, 2):
        refuse(window, retry_after_s=retry_after_s)
        clock.now += closed_s - 0.01
        with pytest.raises(OverloadedError, match="beside the 2 images"), window.call(1):
            pytest.fail("it is refused before")
        clock.now += 0.02
        with inside(window, 100):
            pass


def test_the_newest_refusal_counts(window: CongestionWindow, clock: Clock) -> None:
    with inside(window, 4):
        refuse(window)
    clock.now += 0.4
    with inside(window, 2):
        refuse(window)
        clock.now += 0.4  # the first would be forgotten by now
        with pytest.raises(OverloadedError, match="beside the 2 images"), window.call(1):
            pytest.fail("it is refused before")


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
