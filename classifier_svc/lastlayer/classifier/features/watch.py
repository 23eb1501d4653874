"""Watches whether the featurizer serves."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, Protocol

_log = logging.getLogger(__name__)

_INTERVAL_S: Final = 2.0


class Featurizer(Protocol):
    """What is watched of a featurizer (see `lastlayer.classifier.features.client.FeaturizerClient`)."""

    @property
    def target(self) -> str:
        """Its address, for the log."""
        ...

    async def renew_credentials(self) -> None:
        """Use certificates that have been replaced."""
        ...

    async def is_serving(self, timeout_s: float) -> bool:
        """Return whether it says within `timeout_s` seconds that it serves."""
        ...


async def watch_featurizer(
    featurizer: Featurizer, tell: Callable[[bool], Awaitable[None]], *, interval_s: float = _INTERVAL_S
) -> NoReturn:
    """Look every `interval_s` seconds whether the featurizer serves, and `tell` each change, until cancelled.

    Certificates that have been replaced are used from the next look on. A look that fails counts as a featurizer that
    is not there; the watch goes on.
    """
    before: bool | None = None
    while True:
        problem: Exception | None = None
        try:
            await featurizer.renew_credentials()
            serving = await featurizer.is_serving(_INTERVAL_S)
        except Exception as error:
            serving, problem = False, error
        if serving != before:
            try:
                await tell(serving)
                before = serving
            except Exception:
                _log.exception("whether the featurizer serves could not be told; trying again")
            _log.log(
                logging.INFO if serving else logging.WARNING,
                "the featurizer at %s is %s",
                featurizer.target,
                "there" if serving else "not available: examples and predictions will fail until it is",
                exc_info=problem,
            )
        await asyncio.sleep(interval_s)
