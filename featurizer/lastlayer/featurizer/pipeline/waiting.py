"""Bounds how long calls wait inside, by how long those before them took: who would come too late is refused at once."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from lastlayer.rpc.errors import OverloadedError

PATIENCE_S: Final = 2.0
"""How long a call without a deadline may have to wait for the images before its own."""

_TELLING_IMAGES: Final = 8
"""From so many images on, the time that a call takes is that of the queue. With fewer it is mostly the call's own, of
which several run beside each other."""

_RAISE: Final = 0.1
_LOWER: Final = 0.5
"""How fast the mean follows what becomes slower, and what becomes faster: what has passed is to refuse nobody."""

_MARGIN: Final = 1.25
"""How much longer than the mean a call with a deadline is reckoned to take: half of all take longer than the mean."""


class WaitEstimate:
    """Tells how long the images that are inside will take, as those before them did."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds. Nobody is refused before something was measured."""
        self._clock = clock
        self._image_seconds: float | None = None

    def check(self, images: int, *, before: int, deadline: float | None) -> None:
        """Raise OverloadedError where a call's images cannot be done in time, with `before` images inside already.

        `deadline` is of the clock; a call without one waits for `PATIENCE_S` at most. A call that is alone never fails.
        """
        if self._image_seconds is None or not before:
            return
        wait_s = self._image_seconds * before
        late_s = wait_s - PATIENCE_S
        if deadline is not None:
            left_s = deadline - self._clock()
            if left_s <= 0:  # it is too late already, whoever else is here
                return
            late_s = _MARGIN * (wait_s + self._image_seconds * images) - left_s
        if late_s > 0:
            raise OverloadedError(
                f"The {before} images that are here already take about {wait_s:.1f} s: too long for this call.",
                retry_after_s=max(0.1, min(late_s, wait_s)),
            )

    @contextlib.contextmanager
    def measure(self, inside: int) -> Iterator[None]:
        """Measure how long a call takes, which is the block; `inside` is how many images there are with its own."""
        started = self._clock()
        try:
            yield  # a call that fails tells nothing
        except asyncio.CancelledError:
            # Nor does one that is given up, unless it took too long: else only those that were quick would be known.
            seconds = (self._clock() - started) / inside
            if self._image_seconds is not None and seconds > self._image_seconds:
                self._follow(seconds, inside)
            raise
        self._follow((self._clock() - started) / inside, inside)

    def _follow(self, seconds: float, inside: int) -> None:
        if self._image_seconds is None:
            if inside >= _TELLING_IMAGES:
                self._image_seconds = seconds
        elif seconds < self._image_seconds:
            self._image_seconds += _LOWER * (seconds - self._image_seconds)
        elif inside >= _TELLING_IMAGES:
            self._image_seconds += _RAISE * (seconds - self._image_seconds)
