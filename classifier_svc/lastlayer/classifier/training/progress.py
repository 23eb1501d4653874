"""The pulse of a training: tells how far it is, and ends it once it is cancelled."""

from collections.abc import Callable


class TrainingCancelledError(Exception):
    """The training was cancelled while it ran."""


class Pulse:
    """Called at every step of the work; `stage` and `tell` say how far that is."""

    def __init__(self, progress: Callable[[str, float], None], cancelled: Callable[[], bool]) -> None:
        self._progress = progress
        self._cancelled = cancelled
        self._message = ""
        self._span = (0.0, 0.0)

    def __call__(self) -> None:
        """Raise TrainingCancelledError where the training is cancelled."""
        if self._cancelled():
            raise TrainingCancelledError

    def stage(self, message: str, begin: float, end: float) -> None:
        """Tell that a stage begins, which takes the share of all work from `begin` to `end`."""
        self._message, self._span = message, (begin, end)
        self.tell(0)

    def tell(self, share: float) -> None:
        """Tell how much of the stage is done, from 0 to 1."""
        begin, end = self._span
        self._progress(self._message, begin + share * (end - begin))
