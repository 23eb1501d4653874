"""Bounds what is at the featurizer at once by what its refusals have taught.

A call that the featurizer refuses costs both services several times what refusing it here does; under overload those
are many, and take processors from the calls that are answered.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Final

from rpc.errors import OverloadedError

_GROWTH: Final = 1 / 8
"""By how much an image that was answered widens the window: so one call in eight or so asks whether there is more room
by now."""


class CongestionWindow:
    """How many images of calls that do not wait may be at the featurizer at once.

    Unbounded until it refuses a call; then as many as were there without that call. Each image that is answered widens
    the window a little, so that it follows a featurizer that has more room again.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._width = math.inf
        self._retry_after_s = 1.0

    @contextlib.contextmanager
    def call(self, images: int) -> Iterator[None]:
        """Hold a call's images in the window while the block, which calls the featurizer, lasts.

        Raises OverloadedError where they do not fit; a call that is alone always does.
        """
        if self._inside and self._inside + images > self._width:
            raise OverloadedError(
                f"The featurizer has no room beside the {self._inside} images of ours that it is at work on.",
                retry_after_s=self._retry_after_s,
            )
        self._inside += images
        try:
            yield
            self._width += _GROWTH * images
        except OverloadedError as error:
            self._width = self._inside - 1
            self._retry_after_s = error.retry_after_s
            raise
        finally:
            self._inside -= images
