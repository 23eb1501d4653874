"""Suggestions out of a store that is a fake: what is asked of it, and what is made of the answer."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from lastlayer.classifier.domain.arrays import Indices
from lastlayer.classifier.domain.types import Candidates, PoolSource, StoredExample
from lastlayer.classifier.selection.next_examples import MOST_POOL, Strategy
from lastlayer.classifier.selection.suggestions import Suggestions

NAMES = ("cat-like", "dog-like", "between")
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
    found = Suggestions(pools).find("d", 3, with_thumbnails=True)
    assert (found.strategy, found.classes) == (Strategy.UNCERTAIN, ("dog", "cat"))
    assert (found.pool_count, found.stale_count) == (5, 2)
    guesses = {image.stored.name: image.guesses for image in found.images}
    assert guesses["cat-like"][0][0] == "cat"
    assert guesses["dog-like"][0][0] == "dog"
    assert guesses["cat-like"][0][1] > 0.5 > guesses["cat-like"][1][1]
    [(asked, pictured)] = pools.asked
    assert (set(asked), pictured) == (set(CONTENTS), True)


def test_there_are_no_guesses_without_two_classes() -> None:
    found = Suggestions(FakePools(labels=())).find("d", 2, with_thumbnails=False)
    assert (found.strategy, found.classes, len(found.images)) == (Strategy.TYPICAL, (), 2)
    assert [image.guesses for image in found.images] == [[], []]


def test_what_was_labelled_meanwhile_is_left_out() -> None:
    found = Suggestions(FakePools(gone=[CONTENTS[0]])).find("d", 3, with_thumbnails=False)
    assert {image.stored.name for image in found.images} == {"dog-like", "between"}
