"""How far a training is, and whether it goes on."""

from collections.abc import Callable


class TrainingCancelledError(Exception):
    """The training was cancelled while it ran."""


class TrainingProgress:
    """What the work calls as it goes on: tells how far it is, and ends it once it is cancelled.

    `report` is called with what is being done, a phrase such as `choosing taps and regularisation`, and the share of
    all work that is done, from 0 to 1. `is_cancelled` is asked at every step. Both are called in the thread that
    trains.
    """

    def __init__(self, report: Callable[[str, float], None], is_cancelled: Callable[[], bool]) -> None:
        self._report = report
        self._is_cancelled = is_cancelled
        self._message = ""
        self._span = (0.0, 0.0)

    def __call__(self) -> None:
        """Go on to the next step; raises TrainingCancelledError where the training is cancelled."""
        if self._is_cancelled():
            raise TrainingCancelledError

    def silent(self) -> "TrainingProgress":
        """Return what reports nothing, for work within a stage, and ends it as this does."""
        return TrainingProgress(lambda _message, _share: None, self._is_cancelled)

    def stage(self, message: str, begin: float, end: float) -> None:
        """Begin a stage, which is the share of all work from `begin` to `end`, and report it."""
        self._message, self._span = message, (begin, end)
        self.tell(0)

    def tell(self, share: float) -> None:
        """Report how much of the stage is done, from 0 to 1."""
        begin, end = self._span
        self._report(self._message, begin + share * (end - begin))
