"""The health of what needs the featurizer goes on being told, whatever happens to a look at it."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from lastlayer.classifier.features.watch import watch_featurizer


class Script:
    """A featurizer that is there or not as scripted, looked at once for each step; an exception is raised."""

    target = "127.0.0.1:1"

    def __init__(self, *steps: bool | Exception, renewals: tuple[Exception | None, ...] = ()) -> None:
        self.steps = list(steps)
        self.renewals = list(renewals)
        self.told: list[bool] = []
        self.ended = asyncio.Event()

    async def renew_credentials(self) -> None:
        step = self.renewals.pop(0) if self.renewals else None
        if step is not None:
            raise step

    async def is_serving(self, timeout_s: float) -> bool:
        if not self.steps:
            self.ended.set()
            await asyncio.Event().wait()
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def tell(self, serving: bool) -> None:
        self.told.append(serving)


async def watched(script: Script, tell: Callable | None = None) -> list[bool]:
    """Return what is told until the script ends."""
    task = asyncio.create_task(watch_featurizer(script, tell or script.tell, interval_s=0))
    await asyncio.wait([task, asyncio.create_task(script.ended.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), task
    task.cancel()
    return script.told


async def test_only_changes_are_told() -> None:
    assert await watched(Script(True, True, False, False, True)) == [True, False, True]


async def test_a_look_that_fails_counts_as_absent_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    told = await watched(Script(True, RuntimeError("broken"), RuntimeError("broken"), True))
    assert told == [True, False, True]
    assert caplog.text.count("RuntimeError: broken") == 1


async def test_certificates_that_fail_to_be_renewed_do_not_end_the_watch() -> None:
    assert await watched(Script(True, True, renewals=(None, OSError("no more files")))) == [True, False, True]


async def test_what_could_not_be_told_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = Script(True, True)
    failures = [RuntimeError("not now")]

    async def tell(serving: bool) -> None:
        if failures:
            raise failures.pop()
        await script.tell(serving)

    assert await watched(script, tell) == [True]
