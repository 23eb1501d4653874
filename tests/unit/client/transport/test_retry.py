"""What is tried again, how often, and after how long."""

import pytest

from lastlayer.client import BusyError, ClientError, DeadlineError, NotFoundError, ServerUnavailableError
from lastlayer.client.transport.retry import MAX_FAILURES, Patience


def busy(retry_after_s: float | None) -> BusyError:
    error = BusyError("Full.")
    error.retry_after_s = retry_after_s
    return error


class Slept(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def test_a_server_that_is_away_is_tried_a_few_times_ever_more_slowly() -> None:
    slept = Slept()
    patience = Patience("somewhere:1", 60, sleep=slept)
    for _ in range(MAX_FAILURES - 1):
        patience.wait_after(ServerUnavailableError("away"))
    with pytest.raises(ServerUnavailableError, match="away"):
        patience.wait_after(ServerUnavailableError("away"))
    assert all(0.05 * 2**number <= wait <= 0.1 * 2**number for number, wait in enumerate(slept))


def test_progress_forgives() -> None:
    patience = Patience("somewhere:1", 60, sleep=Slept())
    for _ in range(5 * MAX_FAILURES):
        patience.wait_after(ServerUnavailableError("away"))
        patience.progressed()


def test_a_busy_server_is_asked_when_it_said() -> None:
    slept = Slept()
    patience = Patience("somewhere:1", 60, sleep=slept)
    for _ in range(20):
        patience.wait_after(busy(2.0))
    assert all(2.0 <= wait <= 3.0 for wait in slept)


@pytest.mark.parametrize(
    "error", [busy(None), busy(61.0), NotFoundError("none"), ClientError("other"), DeadlineError("x", reason="D")]
)
def test_the_rest_is_raised_at_once(error: ClientError) -> None:
    slept = Slept()
    with pytest.raises(type(error)):
        Patience("somewhere:1", 60, sleep=slept).wait_after(error)
    assert slept == []


def test_nothing_is_tried_when_the_time_is_up() -> None:
    with pytest.raises(ServerUnavailableError):
        Patience("somewhere:1", 0.0, sleep=Slept()).wait_after(ServerUnavailableError("away"))
