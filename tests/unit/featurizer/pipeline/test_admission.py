"""Places: refused at once where there are none, or waited for in turn; the two kinds do not hinder each other."""

import asyncio
from contextlib import AsyncExitStack, ExitStack

import pytest

from lastlayer.featurizer.pipeline.admission import Admission
from lastlayer.rpc.errors import OverloadedError


def test_a_call_without_room_is_refused_at_once_and_told_when_to_come_again() -> None:
    admission = Admission(call_images=10, stream_images=1)
    with admission.call(6, retry_after_s=1), admission.call(4, retry_after_s=1):
        assert admission.taken == 10
        with pytest.raises(OverloadedError, match="10 of its 10 images are taken, and 1 more") as caught:
            admission.call(1, retry_after_s=2.5).__enter__()
        assert caught.value.retry_after_s == 2.5
    assert admission.taken == 0


def test_places_come_back_after_a_failure() -> None:
    admission = Admission(call_images=1, stream_images=1)
    with pytest.raises(KeyError), admission.call(1, retry_after_s=1):
        raise KeyError
    with admission.call(1, retry_after_s=1):
        assert admission.taken == 1


async def test_images_of_streams_wait_in_turn() -> None:
    admission = Admission(call_images=1, stream_images=2)
    admitted: list[int] = []
    leave = [asyncio.Event() for _ in range(5)]

    async def image(number: int) -> None:
        async with admission.stream_image():
            admitted.append(number)
            await leave[number].wait()

    tasks = [asyncio.create_task(image(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert admitted == [0, 1]
    tasks[2].cancel()  # one that waits goes
    leave[1].set()
    await tasks[1]
    leave[0].set()
    await tasks[0]
    for event in leave:
        event.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert admitted == [0, 1, 3, 4]


async def test_calls_and_streams_do_not_take_each_others_places() -> None:
    admission = Admission(call_images=3, stream_images=2)
    async with AsyncExitStack() as streams:
        for _ in range(2):
            await streams.enter_async_context(admission.stream_image())
        with admission.call(3, retry_after_s=1):
            pass
    with ExitStack() as calls:
        calls.enter_context(admission.call(3, retry_after_s=1))
        async with admission.stream_image():
            pass
