"""The time that batches take in the graph is counted once, however they lie beside each other."""

from contextlib import ExitStack

import pytest
from prometheus_client import REGISTRY

from lastlayer.featurizer.pipeline.monitoring import GraphTime


class Clock:
    """Tells what it is set to, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def measured() -> tuple[float, float]:
    """Return for how long the graph was busy, and how many batches have been observed."""
    busy = REGISTRY.get_sample_value("featurizer_graph_busy_seconds_total") or 0.0
    return busy, REGISTRY.get_sample_value("featurizer_graph_seconds_count") or 0.0


@pytest.mark.parametrize(
    ("batches", "busy"),
    [
        ([(0, 4), (10, 11)], 5),
        ([(0, 4), (2, 6), (5, 9)], 9),
        ([(0, 10), (3, 4)], 10),
        ([(0, 10), (1, 9), (8, 12)], 12),
    ],
    ids=["one after the other", "in turns", "the later one ends first", "three"],
)
def test_time_counts_once(batches: list[tuple[int, int]], busy: int) -> None:
    clock = Clock()
    times = GraphTime(clock=clock)
    before = measured()
    running = [ExitStack() for _ in batches]
    events = [(begin, 1, number) for number, (begin, _) in enumerate(batches)]
    events += [(end, 0, number) for number, (_, end) in enumerate(batches)]
    for second, begins, number in sorted(events):
        clock.now = 100.0 + second
        if begins:
            running[number].enter_context(times.measure(4))
        else:
            running[number].close()
    after = measured()
    assert after[0] - before[0] == pytest.approx(busy)
    assert after[1] - before[1] == len(batches)


def test_a_batch_that_fails_costs_time_and_is_no_measure_of_others() -> None:
    clock = Clock()
    times = GraphTime(clock=clock)
    before, image_seconds = measured(), times.image_seconds

    @times.measure(4)
    def fail() -> None:
        clock.now += 3
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    after = measured()
    assert after[0] - before[0] == pytest.approx(3)
    assert after[1] == before[1]
    assert times.image_seconds == image_seconds
    clock.now += 50
    with times.measure(4):
        clock.now += 2
    assert measured()[0] - after[0] == pytest.approx(2)
    assert times.image_seconds == pytest.approx(image_seconds + 0.1 * (2 / 4 - image_seconds))
