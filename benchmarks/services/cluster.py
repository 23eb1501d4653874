"""Simulates clusters that are larger than any machine at hand: `python -m benchmarks.services.cluster`.

docs/explanation/scaling.md uses it.

What goes in was measured by the other programs: the processor time of an image (`benchmarks/results/featurize.txt`),
the images that a featurizer holds, how soon a classifier learns that a featurizer is gone, and the images of a shard.
What comes out is what arithmetic cannot tell: how long calls wait, how many are refused, and how much of a long job
stragglers and lost machines take.

Serving: calls come at random (Poisson). Each classifier hands them to featurizers in turn, as gRPC's round_robin does,
or to the one of two with fewer calls inside, as Envoy's LEAST_REQUEST does. One that is full refuses, and the call is
made again a little later. Some featurizers are half as fast as the others. One machine after the other is lost: calls
that are sent to it until that is noticed run into their deadline, and are made again.

Embedding: workers take shards in turn. A lost machine's shards begin anew elsewhere; it is replaced after a while.
"""

import argparse
import heapq
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.table import Table

_SLOWER: Final = 2.0
"""How many times longer a straggler takes."""

_SPREAD: Final = 0.25
"""The standard deviation of the logarithm of an image's time."""

_SHARD_SPREAD: Final = 0.05
"""And of a shard's."""


@dataclass
class Serving:
    """A cluster that serves calls of one image each."""

    rate: float
    """Images a second."""
    featurizers: int
    classifiers: int
    image_s: float
    """Of processor time."""
    processors: int = 2
    """Of each featurizer."""
    least_request: bool = False
    """Whether calls go to the one of two featurizers with fewer inside; else to each in turn."""
    room: int = 64
    """The most images inside of a featurizer."""
    straggling_share: float = 0.02
    loss_every_s: float = 20.0
    """How often a machine is lost, from the whole cluster."""
    noticed_s: float = 10.0
    """How long calls go on being sent to a lost machine."""
    replaced_s: float = 60.0
    deadline_s: float = 5.0
    retry_s: float = 0.1


@dataclass
class Served:
    """What became of the calls."""

    latencies: list[float] = field(default_factory=list)
    refusals: int = 0
    timeouts: int = 0
    failed: int = 0
    """After five attempts."""

    def percentile_ms(self, share: float) -> float:
        """Return the latency below which a share of the calls were."""
        ordered = sorted(self.latencies)
        return 1e3 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def serve(cluster: Serving, seconds: float, seed: int) -> Served:
    """Simulate a cluster for a while."""
    chance = random.Random(seed)
    served = Served()
    slow = [_SLOWER if chance.random() < cluster.straggling_share else 1.0 for _ in range(cluster.featurizers)]
    # When each processor of a featurizer is free, and when the images that are inside leave.
    free = [[0.0] * cluster.processors for _ in slow]
    inside: list[list[float]] = [[] for _ in slow]
    lost_at = [float("-inf")] * cluster.featurizers
    turns = [chance.randrange(cluster.featurizers) for _ in range(cluster.classifiers)]
    number = itertools.count()
    calls: list[tuple[float, int, float, int]] = []  # when it is made, which, when it was made first, attempts before
    now, next_loss = 0.0, cluster.loss_every_s
    while now < seconds:
        now += chance.expovariate(cluster.rate)
        heapq.heappush(calls, (now, next(number), now, 0))
        while calls and calls[0][0] <= now:
            moment, _, first, attempts = heapq.heappop(calls)
            while moment > next_loss:
                lost_at[chance.randrange(cluster.featurizers)] = next_loss
                next_loss += cluster.loss_every_s
            if attempts == 5:
                served.failed += 1
                continue
            which = chance.randrange(cluster.classifiers)
            known: list[int] = []
            while len(known) < 1 + cluster.least_request:
                turns[which] = (turns[which] + 1) % cluster.featurizers
                featurizer = chance.randrange(cluster.featurizers) if cluster.least_request else turns[which]
                if not cluster.noticed_s <= moment - lost_at[featurizer] < cluster.replaced_s:
                    known.append(featurizer)
            featurizer = min(known, key=lambda number: sum(done > moment for done in inside[number]))
            gone_s = moment - lost_at[featurizer]
            again = (next(number), first, attempts + 1)
            if 0 <= gone_s < cluster.noticed_s:
                served.timeouts += 1
                heapq.heappush(inside[featurizer], moment + cluster.deadline_s)  # it waits there, and counts
                heapq.heappush(calls, (moment + cluster.deadline_s, *again))
                continue
            queue = inside[featurizer]
            while queue and queue[0] <= moment:
                heapq.heappop(queue)
            if len(queue) >= cluster.room:
                served.refusals += 1
                heapq.heappush(calls, (moment + cluster.retry_s * chance.uniform(1, 1.5), *again))
                continue
            taken = cluster.image_s * slow[featurizer] * chance.lognormvariate(-(_SPREAD**2) / 2, _SPREAD)
            done = max(moment, heapq.heappop(free[featurizer])) + taken
            heapq.heappush(free[featurizer], done)
            heapq.heappush(queue, done)
            served.latencies.append(done - first)
    return served


@dataclass
class Embedding:
    """A cluster that featurizes stored images, shard by shard."""

    images: int
    machines: int
    image_s: float
    """Of processor time."""
    processors: int = 8
    """Of each machine, each a worker."""
    shard: int = 10_000
    straggling_share: float = 0.02
    loss_every_h: float = 500.0
    """How many hours a machine lasts on average: of those that are let at the spot market's price, days to weeks."""
    replaced_s: float = 300.0


@dataclass
class Embedded:
    """What it took."""

    hours: float
    ideal_hours: float
    repeated: int
    """Shards that were begun again."""
    losses: int


def embed(cluster: Embedding, seed: int) -> Embedded:
    """Simulate a run."""
    chance = random.Random(seed)
    slow = [_SLOWER if chance.random() < cluster.straggling_share else 1.0 for _ in range(cluster.machines)]
    dies = [chance.expovariate(1 / cluster.loss_every_h / 3600) for _ in slow]
    shards = -(-cluster.images // cluster.shard)
    workers = [(0.0, machine, worker) for machine in range(cluster.machines) for worker in range(cluster.processors)]
    heapq.heapify(workers)
    left, repeated, losses, end = shards, 0, 0, 0.0
    returned: list[float] = []  # when shards of lost machines can be begun again
    while left or returned:
        now, machine, worker = heapq.heappop(workers)
        if dies[machine] <= now:  # its replacement begins, once for each worker of it
            losses += worker == 0
            begins = max(now, dies[machine] + cluster.replaced_s)
            if worker == cluster.processors - 1 or all(entry[1] != machine for entry in workers):
                dies[machine] = begins + chance.expovariate(1 / cluster.loss_every_h / 3600)
            heapq.heappush(workers, (begins, machine, worker))
            continue
        if left:
            left -= 1
        elif returned[0] <= now:
            heapq.heappop(returned)
        else:
            heapq.heappush(workers, (returned[0], machine, worker))
            continue
        spread = chance.lognormvariate(-(_SHARD_SPREAD**2) / 2, _SHARD_SPREAD)
        taken = cluster.image_s * cluster.shard * slow[machine] * spread
        if now + taken > dies[machine]:
            repeated += 1
            heapq.heappush(returned, dies[machine])
            heapq.heappush(workers, (dies[machine], machine, worker))
            continue
        end = max(end, now + taken)
        heapq.heappush(workers, (now + taken, machine, worker))
    ideal = cluster.images * cluster.image_s / cluster.machines / cluster.processors
    return Embedded(end / 3600, ideal / 3600, repeated, losses)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate what docs/explanation/scaling.md has in its largest rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-ms", type=float, default=20.0, help="processor time of an image, in milliseconds")
    parser.add_argument("--rate", type=float, default=10_000, help="images a second that are served")
    parser.add_argument("--seconds", type=float, default=60, help="for how long")
    options = parser.parse_args(arguments)
    image_s = options.image_ms / 1e3
    out = Console(width=120)
    out.print(f"an image takes {options.image_ms:g} ms of a processor; featurizers have two; 2 % are half as fast;")
    out.print("a machine is lost every 20 s, which is noticed after 10 s; calls have 5 s, and are made five times")
    for least_request in (False, True):
        out.print(_serving(options.rate, image_s, options.seconds, least_request=least_request))
    out.print(_embedding(image_s))


def _serving(rate: float, image_s: float, seconds: float, *, least_request: bool) -> Table:
    policy = "the one of two with fewer inside" if least_request else "each in turn"
    table = Table(title=f"{rate:,.0f} images a second for {seconds:g} s, to {policy}")
    for name in ("featurizers", "busy", "p50 ms", "p99 ms", "p99.9 ms", "refused %", "past a deadline %", "failed"):
        table.add_column(name, justify="right")
    needed = rate * image_s / 2
    for busy in (0.9, 0.8, 0.7, 0.6, 0.5):
        featurizers = round(needed / busy)
        classifiers = max(2, featurizers // 10)
        cluster = Serving(rate, featurizers, classifiers, image_s, least_request=least_request)
        served = serve(cluster, seconds, seed=1)
        calls = len(served.latencies)
        table.add_row(
            f"{featurizers}",
            f"{busy:.0%}",
            f"{served.percentile_ms(0.5):.0f}",
            f"{served.percentile_ms(0.99):.0f}",
            f"{served.percentile_ms(0.999):.0f}",
            f"{100 * served.refusals / calls:.2f}",
            f"{100 * served.timeouts / calls:.2f}",
            f"{served.failed}",
        )
    return table


def _embedding(image_s: float) -> Table:
    table = Table(title="stored images, in shards of 10,000, on machines of eight processors that last 500 hours")
    for name in ("images", "machines", "hours", "without loss and stragglers", "of that %", "lost", "shards repeated"):
        table.add_column(name, justify="right")
    for images, machines in ((10_000_000, 1), (10_000_000, 10), (1_000_000_000, 10), (1_000_000_000, 100)):
        done = embed(Embedding(images, machines, image_s), seed=1)
        table.add_row(
            f"{images:,}",
            f"{machines}",
            f"{done.hours:.1f}",
            f"{done.ideal_hours:.1f}",
            f"{100 * done.ideal_hours / done.hours:.0f}",
            f"{done.losses}",
            f"{done.repeated}",
        )
    return table


if __name__ == "__main__":
    main()
