"""Suggestions out of a store that is a fake: what is asked of it, and what is made of the answer."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.types import Candidates, PoolSource, StoredExample
from lastlayer.classifier.training.progress import TrainingCancelledError
from lastlayer.classifier.training.selection.next_examples import MOST_POOL, Strategy
from lastlayer.classifier.training.selection.suggestions import MAX_WAITING, Suggestions
from lastlayer.rpc.errors import OverloadedError
from lastlayer.rpc.system.workers import Workers

NAMES = ("cat-like", "dog-like", "between")
UNUSED = Workers("unused", 1)
CONTENTS = [name.encode() for name in NAMES]


def _noise(random: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    """Return what keeps images of one class from being near duplicates."""
    return (0.2 * random.normal(size=shape)).astype(np.float32)


class FakePools:
    """Three images, one of which may be gone when it is asked for."""

    def __init__(self, *, gone: Sequence[bytes] = (), labels: Sequence[str] = ("dog", "cat") * 6) -> None:
        self.gone = gone
        self.labels = labels
        self.asked: list[tuple[list[bytes], bool]] = []

    def candidates(
        self,
        dataset: str,
        sample_pool: Callable[[int, int], Indices],
        sample_labelled: Callable[[Sequence[str]], Indices],
    ) -> Candidates:
        assert dataset == "d"
        assert len(sample_pool(10**6, 3)) == MOST_POOL
        assert list(sample_labelled(self.labels)) == list(range(len(self.labels)))
        random = np.random.default_rng(0)
        axes = {"cat": np.eye(32, dtype=np.float32)[0], "dog": np.eye(32, dtype=np.float32)[1]}
        labelled = np.stack([axes[label] + _noise(random, 32) for label in self.labels] or [axes["cat"]])
        pool = np.stack([axes["cat"], axes["dog"], (axes["cat"] + axes["dog"]) / 2])
        pool += _noise(random, 3, 32)
        return Candidates(
            contents=CONTENTS,
            features={"conv": pool},
            labels=self.labels,
            labelled={"conv": labelled[: len(self.labels)]},
            classes=tuple(dict.fromkeys(self.labels)),
            pool_count=5,
            stale_count=2,
        )

    def get(self, dataset: str, contents: Sequence[bytes], *, with_thumbnails: bool) -> dict[bytes, StoredExample]:
        self.asked.append((list(contents), with_thumbnails))
        return {
            content: StoredExample(key, content.decode(), content, (), False, source=PoolSource.ADDED)
            for key, content in enumerate(contents)
            if content not in self.gone
        }


def test_guesses_come_best_first_with_their_images() -> None:
    pools = FakePools()
    found = Suggestions(pools, UNUSED).choose("d", 3, with_thumbnails=True)
    assert (found.strategy, found.classes) == (Strategy.UNCERTAIN, ("dog", "cat"))
    assert (found.pool_count, found.stale_count) == (5, 2)
    guesses = {image.stored.name: image.guesses for image in found.images}
    assert guesses["cat-like"][0][0] == "cat"
    assert guesses["dog-like"][0][0] == "dog"
    assert guesses["cat-like"][0][1] > 0.5 > guesses["cat-like"][1][1]
    [(asked, pictured)] = pools.asked
    assert (set(asked), pictured) == (set(CONTENTS), True)


def test_there_are_no_guesses_without_two_classes() -> None:
    found = Suggestions(FakePools(labels=()), UNUSED).choose("d", 2, with_thumbnails=False)
    assert (found.strategy, found.classes, len(found.images)) == (Strategy.TYPICAL, (), 2)
    assert [image.guesses for image in found.images] == [[], []]


def test_what_was_labelled_meanwhile_is_left_out() -> None:
    found = Suggestions(FakePools(gone=[CONTENTS[0]]), UNUSED).choose("d", 3, with_thumbnails=False)
    assert {image.stored.name for image in found.images} == {"dog-like", "between"}


class SlowPools(FakePools):
    """Answers once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.at_once = self.most_at_once = 0

    def candidates(self, *arguments: Any) -> Candidates:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.begun.set()
        self.go_on.wait()
        self.at_once -= 1
        return super().candidates(*arguments)


async def test_one_call_has_its_turn_and_too_many_are_refused() -> None:
    pools, workers = SlowPools(), Workers("suggestions", 1)
    suggestions = Suggestions(pools, workers)
    calls = [asyncio.create_task(suggestions.find("d", 1, with_thumbnails=False)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match=f"{MAX_WAITING} calls wait for images to label"):
        await suggestions.find("d", 1, with_thumbnails=False)
    calls[-1].cancel()
    pools.go_on.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in done] == [False] * (MAX_WAITING - 1) + [True]
    assert pools.most_at_once == 1
    assert (await suggestions.find("d", 1, with_thumbnails=False)).images
    await workers.close()


async def test_what_nobody_waits_for_any_more_is_stopped() -> None:
    pools, workers = SlowPools(), Workers("suggestions", 1)
    call = asyncio.create_task(Suggestions(pools, workers).find("d", 1, with_thumbnails=False))
    await asyncio.to_thread(pools.begun.wait)
    call.cancel()
    await asyncio.wait([call])
    pools.go_on.set()
    await workers.close()
    assert pools.asked == []


@pytest.mark.parametrize("labels", [("dog", "cat") * 6, ()])
def test_choosing_is_stopped(labels: Sequence[str]) -> None:
    with pytest.raises(TrainingCancelledError):
        Suggestions(FakePools(labels=labels), UNUSED).choose("d", 1, with_thumbnails=False, cancelled=lambda: True)
