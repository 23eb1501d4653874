"""Items of many callers meet in batches: full, partial, spoiled, late, left alone, and while stopping."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from lastlayer.featurizer.pipeline.batcher import Batcher
from lastlayer.rpc.errors import DeadlinePassedError, NotReadyError

LONG_S = 30.0
"""How long a test waits for what must come; nothing waits for this to pass."""


class FakeGraph:
    """Doubles numbers; waits inside for as long as it is held; fails on the numbers that it is told to."""

    def __init__(self, *, fail_on: Sequence[int] = (), loses_results: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.alone: list[bool] = []
        """Of each batch, whether it was told that nothing else was here or on its way."""
        self.threads: list[str] = []
        self.fail_on = set(fail_on)
        self._loses_results = loses_results
        self._entered = threading.Semaphore(0)
        self._free = threading.Event()
        self._free.set()

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    async def entered(self) -> None:
        """Return once another batch has begun."""
        assert await asyncio.to_thread(self._entered.acquire, timeout=LONG_S)

    def run(self, items: Sequence[int], alone: bool) -> list[int]:
        self.batches.append(list(items))
        self.alone.append(alone)
        self.threads.append(threading.current_thread().name)
        self._entered.release()
        assert self._free.wait(LONG_S)
        if bad := self.fail_on.intersection(items):
            raise RuntimeError(f"cannot take {min(bad)}")
        return [] if self._loses_results else [2 * item for item in items]


@pytest.fixture
def graph() -> FakeGraph:
    return FakeGraph()


@pytest.fixture
async def batcher(graph: FakeGraph) -> AsyncIterator[Batcher[int, int]]:
    batcher = Batcher(graph.run, max_items=12)
    yield batcher
    graph.release()
    await batcher.stop()


async def begun(
    batcher: Batcher[int, int], *items: int, deadline: float | None = None, expected: bool = False
) -> list["asyncio.Future[int]"]:
    """Submit items together, by a thread that may have to run one itself, and return their results to come.

    They are `expected` already, or from now on.
    """
    results = [asyncio.get_running_loop().create_future() for _ in items]
    if not expected:
        batcher.expect(len(items))
    threading.Thread(target=batcher.submit, args=(items, results), kwargs={"deadline": deadline}, daemon=True).start()
    return results


async def queued(batcher: Batcher[int, int], *items: int, deadline: float | None = None) -> list["asyncio.Future[int]"]:
    """Submit items that wait, as something runs already."""
    results = [asyncio.get_running_loop().create_future() for _ in items]
    batcher.expect(len(items))
    batcher.submit(items, results, deadline=deadline)
    return results


async def run(batcher: Batcher[int, int], item: int) -> int:
    [result] = await begun(batcher, item)
    return await result


async def busy(batcher: Batcher[int, int], graph: FakeGraph) -> "asyncio.Task[list[int]]":
    """Occupy the graph with three batches of an item 0, so that there is no room, until it is released."""
    graph.hold()
    tasks = []
    for _ in range(3):
        tasks += await begun(batcher, 0)
        await graph.entered()
    assert graph.batches == [[0], [0], [0]]
    graph.batches.clear()

    async def results() -> list[int]:
        return await asyncio.gather(*tasks)

    return asyncio.create_task(results())


async def test_a_lone_item_waits_for_nobody_and_changes_no_thread(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    assert await run(batcher, 21) == 42
    assert (graph.batches, graph.alone) == ([[21]], [True])
    assert not graph.threads[0].startswith("graph")


async def test_what_comes_together_goes_together(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    assert await asyncio.gather(*await queued(batcher, 1, 2, 3)) == [2, 4, 6]
    assert (graph.batches, graph.alone) == ([[1, 2, 3]], [True])
    assert graph.threads[0].startswith("graph")


async def test_an_item_is_not_alone_where_another_is_on_its_way(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    batcher.expect(1)
    assert await run(batcher, 1) == 2
    assert graph.alone == [False]
    assert graph.threads[0].startswith("graph")
    batcher.forget(1)
    assert await run(batcher, 2) == 4
    assert graph.alone == [False, True]


async def test_an_item_is_not_alone_where_another_runs(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    graph.hold()
    first = await begun(batcher, 0)
    await graph.entered()
    rest = await begun(batcher, 1)
    await graph.entered()
    assert (graph.batches, graph.alone) == ([[0], [1]], [True, False])
    graph.release()
    assert await asyncio.gather(*first, *rest) == [0, 2]


async def test_a_second_batch_waits_for_what_is_on_its_way(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    graph.hold()
    results = await begun(batcher, 0)
    await graph.entered()
    batcher.expect(1)
    results += await queued(batcher, 1, 2)
    await asyncio.sleep(0.05)
    assert graph.batches == [[0]]
    results += await begun(batcher, 3, expected=True)
    await graph.entered()
    assert graph.batches == [[0], [1, 2, 3]]
    graph.release()
    assert await asyncio.gather(*results) == [0, 2, 4, 6]


async def test_a_second_batch_does_not_wait_for_what_never_comes(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    graph.hold()
    results = await begun(batcher, 0)
    await graph.entered()
    batcher.expect(2)
    results += await queued(batcher, 1)
    await asyncio.sleep(0.05)
    assert graph.batches == [[0]]
    batcher.forget(2)
    await graph.entered()
    assert graph.batches == [[0], [1]]
    graph.release()
    assert await asyncio.gather(*results) == [0, 2]


async def test_a_full_batch_waits_for_nothing(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    graph.hold()
    results = await begun(batcher, 0)
    await graph.entered()
    batcher.expect(1)
    results += await queued(batcher, 1, 2, 3, 4)
    await graph.entered()
    assert graph.batches == [[0], [1, 2, 3, 4]]
    graph.release()
    assert await asyncio.gather(*results) == [0, 2, 4, 6, 8]


async def test_an_item_that_fails_leaves_the_room_to_others(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    graph.fail_on = {13}
    with pytest.raises(RuntimeError, match="cannot take 13"):
        await run(batcher, 13)
    assert await run(batcher, 1) == 2
    assert graph.alone == [True, True]


async def test_stop_finishes_what_runs_alone_and_what_waits_for_it(graph: FakeGraph) -> None:
    batcher = Batcher(graph.run, max_items=1)
    graph.hold()
    alone = await begun(batcher, 0)
    await graph.entered()
    waiting = await queued(batcher, 1)
    stopping = asyncio.create_task(batcher.stop())
    await asyncio.sleep(0)
    graph.release()
    await stopping
    assert await asyncio.gather(*alone, *waiting) == [0, 2]


async def test_one_item_at_once_is_one_batch_at_once(graph: FakeGraph) -> None:
    batcher = Batcher(graph.run, max_items=1)
    graph.hold()
    results = await queued(batcher, 0, 1)
    await graph.entered()
    await asyncio.sleep(0.05)
    assert graph.batches == [[0]]
    graph.release()
    assert await asyncio.gather(*results) == [0, 2]
    await batcher.stop()


async def test_what_arrives_while_there_is_no_room_goes_together(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    first = await busy(batcher, graph)
    rest = [result for item in (1, 2, 3) for result in await queued(batcher, item)]
    graph.release()
    assert await first == [0, 0, 0]
    assert await asyncio.gather(*rest) == [2, 4, 6]
    assert graph.batches == [[1, 2, 3]]


async def test_a_batch_has_its_limit_and_keeps_the_order(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    first = await busy(batcher, graph)
    rest = await queued(batcher, *range(1, 11))
    graph.release()
    await first
    assert await asyncio.gather(*rest) == [2 * item for item in range(1, 11)]
    assert sorted(graph.batches) == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


async def test_one_bad_item_fails_alone(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    graph.fail_on = {2}
    first = await busy(batcher, graph)
    rest = await queued(batcher, 1, 2, 3)
    graph.release()
    await first
    outcomes = await asyncio.gather(*rest, return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == [2, 6]
    assert str(outcomes[1]) == "cannot take 2"
    assert graph.batches == [[1, 2, 3], [1], [2], [3]]


async def test_a_device_that_fails_fails_the_items_and_not_the_threads(
    batcher: Batcher[int, int], graph: FakeGraph
) -> None:
    graph.fail_on = set(range(10))
    outcomes = await asyncio.gather(*await queued(batcher, *range(6)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == [f"cannot take {item}" for item in range(6)]
    graph.fail_on = set()
    assert await asyncio.gather(*await queued(batcher, 4, 5)) == [8, 10]


async def test_a_graph_that_loses_results_fails_the_items_and_not_the_threads() -> None:
    batcher = Batcher(FakeGraph(loses_results=True).run, max_items=8)
    for items in ([1], [1, 2]):
        for result in await begun(batcher, *items):
            with pytest.raises(ValueError, match="shorter"):
                await result
    await batcher.stop()


async def test_an_item_that_is_too_late_is_never_run(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    first = await busy(batcher, graph)
    [late] = await queued(batcher, 1, deadline=time.monotonic())
    [timely] = await queued(batcher, 2, deadline=time.monotonic() + LONG_S)
    graph.release()
    await first
    assert await timely == 4
    with pytest.raises(DeadlinePassedError, match="before the work was begun"):
        await late
    assert graph.batches == [[2]]


async def test_a_lone_item_that_is_too_late_is_never_run(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    [late] = await begun(batcher, 1, deadline=time.monotonic())
    with pytest.raises(DeadlinePassedError, match="before the work was begun"):
        await late
    assert await run(batcher, 2) == 4
    assert graph.batches == [[2]]


async def test_an_item_whose_caller_has_gone_is_never_run(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    first = await busy(batcher, graph)
    gone, stays = await queued(batcher, 1, 2)
    gone.cancel()
    graph.release()
    await first
    assert await stays == 4
    assert graph.batches == [[2]]


async def test_a_caller_that_goes_while_its_batch_runs_disturbs_nobody(
    batcher: Batcher[int, int], graph: FakeGraph
) -> None:
    graph.hold()
    first, mate = await queued(batcher, 0, 1)
    await graph.entered()
    first.cancel()
    second = await begun(batcher, 2)
    graph.release()
    assert [await mate, *await asyncio.gather(*second)] == [2, 4]
    assert first.cancelled()


async def test_a_caller_that_has_gone_is_not_run_again_where_its_batch_failed(
    batcher: Batcher[int, int], graph: FakeGraph
) -> None:
    graph.fail_on = {2}
    graph.hold()
    gone, bad, mate = await queued(batcher, 1, 2, 3)
    await graph.entered()
    gone.cancel()
    graph.release()
    assert await mate == 6
    with pytest.raises(RuntimeError, match="cannot take 2"):
        await bad
    assert graph.batches == [[1, 2, 3], [2], [3]]


async def test_stop_while_busy_finishes_what_waits_and_refuses_what_comes(
    batcher: Batcher[int, int], graph: FakeGraph
) -> None:
    first = await busy(batcher, graph)
    rest = await queued(batcher, 1, 2)
    stopping = asyncio.create_task(batcher.stop())
    await asyncio.sleep(0)  # the stop begins
    with pytest.raises(NotReadyError, match="stopping"):
        await queued(batcher, 3)
    graph.release()
    await stopping
    assert await first == [0, 0, 0]
    assert await asyncio.gather(*rest) == [2, 4]
    await batcher.stop()


async def test_stop_does_not_wait_for_callers_that_have_gone(batcher: Batcher[int, int], graph: FakeGraph) -> None:
    first = await busy(batcher, graph)
    [gone] = await queued(batcher, 1)
    gone.cancel()
    stopping = asyncio.create_task(batcher.stop())
    graph.release()
    async with asyncio.timeout(LONG_S):
        await stopping
    assert await first == [0, 0, 0]
    assert graph.batches == []


async def test_stop_without_work() -> None:
    graph = FakeGraph()
    batcher = Batcher(graph.run, max_items=12)
    await batcher.stop()
    with pytest.raises(NotReadyError):
        await queued(batcher, 1)
    assert graph.batches == []


@pytest.mark.parametrize("max_items", [1, 2, 3, 5, 12])
async def test_no_more_items_run_at_once_than_the_limit(graph: FakeGraph, max_items: int) -> None:
    batcher = Batcher(graph.run, max_items=max_items)
    graph.hold()
    results = await queued(batcher, *range(20))
    for _ in range(min(max_items, 3)):
        await graph.entered()
    assert sum(map(len, graph.batches)) == max_items
    graph.release()
    assert await asyncio.gather(*results) == [2 * item for item in range(20)]
    assert max(map(len, graph.batches)) == -(-max_items // 3)
    await batcher.stop()


async def test_an_item_that_runs_alone_counts_to_the_limit(graph: FakeGraph) -> None:
    batcher = Batcher(graph.run, max_items=4)
    graph.hold()
    alone = await begun(batcher, 0)
    await graph.entered()
    results = await queued(batcher, *range(1, 6))
    for _ in range(2):
        await graph.entered()
    assert sorted(graph.batches) == [[0], [1, 2], [3]]
    graph.release()
    assert await asyncio.gather(*alone, *results) == [0, 2, 4, 6, 8, 10]
    await batcher.stop()
