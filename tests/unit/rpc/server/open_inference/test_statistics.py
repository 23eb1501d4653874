"""What became of requests is counted by version, and what is counted is bounded."""

from lastlayer.rpc.server.open_inference.models import IndexEntry
from lastlayer.rpc.server.open_inference.statistics import Statistics


def test_successes_and_failures_are_counted_with_how_long_they_took() -> None:
    statistics = Statistics()
    statistics.of("m", 2).add_success((100, 110, 150, 155), images=3, now_ms=7)
    statistics.of("m", 2).add_success((200, 220, 230, 240), images=1, now_ms=8)
    statistics.of("m", 2).add_failure(9, now_ms=6)
    told = statistics.to_message(IndexEntry("m", 2, is_default=True))
    assert (told.name, told.version, told.inference_count, told.execution_count) == ("m", "2", 4, 2)
    known = told.inference_stats
    assert (known.success.count, known.success.ns) == (2, 95)
    assert (known.compute_input.ns, known.compute_infer.ns, known.compute_output.ns) == (30, 50, 15)
    assert (known.fail.count, known.fail.ns, known.queue.count) == (1, 9, 0)


def test_failures_of_requests_that_named_no_version_count_for_the_default_one() -> None:
    statistics = Statistics()
    statistics.of("m", 0).add_failure(5, now_ms=3)
    default, other = (
        statistics.to_message(IndexEntry("m", 2, is_default=True)),
        statistics.to_message(IndexEntry("m", 1, is_default=False)),
    )
    assert (default.inference_stats.fail.count, default.last_inference) == (1, 3)
    assert (other.inference_stats.fail.count, other.last_inference) == (0, 0)


def test_what_was_used_least_lately_is_forgotten() -> None:
    statistics = Statistics()
    for number in range(1, 1001):
        statistics.of("m", number).add_failure(1, now_ms=1)
    statistics.of("m", 1).add_failure(1, now_ms=1)
    statistics.of("m", 1001).add_failure(1, now_ms=1)
    failures = [
        statistics.to_message(IndexEntry("m", number, is_default=False)).inference_stats.fail.count
        for number in (1, 2, 3, 1001)
    ]
    assert failures == [2, 0, 1, 1]
