"""Bounds what is at the featurizer at once by what its refusals have taught.

A call that the featurizer refuses costs both services several times what refusing it here does; under overload those
are many, and take processors from the calls that are answered.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Final

from lastlayer.rpc.errors import OverloadedError

_MAX_HOLD_S: Final = 1.0
"""The longest that one refusal is remembered: the featurizer may serve others too, who may have gone by then."""


class CongestionWindow:
    """How many images of calls that do not wait may be at the featurizer at once.

    Unbounded until it refuses a call; then fewer than would have been there with that call, for as long as the refusal
    said that there would be no room, and at most a second. Whoever comes after that asks anew.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._clock = clock
        self._inside = 0
        self._width = 0
        self._opens_at = -math.inf
        self._retry_after_s = 0.0

    def check(self, images: int) -> None:
        """Raise OverloadedError where a call's images do not fit; a call that is alone always does."""
        closed = self._clock() < self._opens_at
        if closed and self._inside and self._inside + images > self._width:
            raise OverloadedError(
                f"The featurizer has no room beside the {self._inside} images of ours that it is at work on.",
                retry_after_s=self._retry_after_s,
            )

    @contextlib.contextmanager
    def call(self, images: int) -> Iterator[None]:
        """Hold a call's images in the window while the block, which calls the featurizer, lasts.

        Raises what `check` does.
        """
        self.check(images)
        self._inside += images
        try:
            yield
        except OverloadedError as error:
            self._width = self._inside - 1
            self._retry_after_s = error.retry_after_s
            self._opens_at = self._clock() + min(error.retry_after_s, _MAX_HOLD_S)
            raise
        finally:
            self._inside -= images
