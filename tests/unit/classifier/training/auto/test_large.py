"""Training where examples are too many to hold: chosen on a sample, fitted on all, validated on what was left out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from lastlayer.classifier.domain.errors import DatasetNotTrainableError, RecipeNotSupportedError
from lastlayer.classifier.domain.types import Backbone, NewExample, Tap
from lastlayer.classifier.evaluation.metrics import Metrics
from lastlayer.classifier.store.database import Database
from lastlayer.classifier.store.datasets import DatasetStore
from lastlayer.classifier.store.images.examples import ExampleStore, Selector
from lastlayer.classifier.store.models import ModelStore
from lastlayer.classifier.training.auto import large
from lastlayer.classifier.training.auto.large import StoredExamples, choose_sample
from lastlayer.classifier.training.jobs import TrainingJobs, TrainingReport
from lastlayer.classifier.training.progress import TrainingCancelledError
from lastlayer.classifier.training.recipes import ClassWeight, Recipe, TapFeatures
from lastlayer.classifier.training.trained import Trained
from lastlayer.classifier.training.trainer import train
from lastlayer.rpc.errors import ResourceNotFoundError
from lastlayer.rpc.system.workers import Workers
from lastlayer.rpc.vectors import View
from tests.unit.classifier.training.test_jobs import request, run

COUNT = 2_400
DIMENSIONS = {"shallow": 12, "deep": 1_100}
"""`deep` has more columns than are rotated together."""

Vectors = npt.NDArray[np.float32]


def made_up(count: int = COUNT, *, seed: int = 0) -> tuple[dict[str, Vectors], list[str]]:
    """Return features that tell three unequal classes apart, but for some, and the classes."""
    random = np.random.default_rng(seed)
    y = random.choice(3, count, p=[0.6, 0.3, 0.1])
    centres = np.random.default_rng(99).normal(size=(3, 8))
    latent = centres[y] + random.normal(size=(count, 8))
    layers = {tap: np.random.default_rng(size).normal(size=(8, size)) for tap, size in DIMENSIONS.items()}
    features = {tap: np.maximum(latent @ layer, 0).astype(np.float32) for tap, layer in layers.items()}
    return features, [f"class {number}" for number in y]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a thousand examples many."""
    monkeypatch.setattr(large, "MOST_NUMBERS", 2 * 1_100 * sum(DIMENSIONS.values()))


def train_on(
    features: dict[str, Vectors], labels: list[str], *, blocks: int = 7, off_at: str = "", **options: object
) -> Trained:
    """Train on a sample where there are too many."""
    rows = choose_sample(labels, sum(DIMENSIONS.values()))
    kept = slice(None) if rows is None else rows
    messages: list[str] = []

    def read(tap: str, _: View) -> Iterator[Vectors]:
        yield from np.array_split(features[tap], blocks)

    return train(
        [TapFeatures(tap, False, vectors[kept].copy()) for tap, vectors in features.items()],
        list(np.array(labels)[kept]),
        Recipe.AUTO,
        stored=None if rows is None else StoredExamples(labels, rows, read),
        progress=lambda message, _: messages.append(message),
        cancelled=lambda: bool(off_at) and off_at in messages[-1],
        **options,  # type: ignore[arg-type]
    )


def losses(trained: Trained, features: dict[str, Vectors], labels: list[str]) -> npt.NDArray[np.float64]:
    probabilities, _ = trained.head.score({tap: features[tap] for tap in trained.head.taps})
    index = {label: number for number, label in enumerate(trained.head.classes)}
    found: npt.NDArray[np.float64] = -np.log(probabilities[np.arange(len(labels)), [index[label] for label in labels]])
    return found


def test_few_are_all_chosen_on() -> None:
    assert choose_sample(["a", "b"] * 50_000, 3_376) is None


def test_a_sample_has_every_class_and_fits_into_memory() -> None:
    labels = ["a"] * 400_000 + ["b"] * 3
    rows = choose_sample(labels, 3_376)
    assert rows is not None
    assert len(rows) == pytest.approx(40_000, rel=0.01)
    assert sum(labels[row] == "b" for row in rows) == 2
    wide = choose_sample(labels, 20_000)
    assert wide is not None
    assert len(wide) * 20_000 <= large.MOST_NUMBERS


def test_too_many_are_refused_with_the_arithmetic() -> None:
    with pytest.raises(DatasetNotTrainableError, match=r"8,000,000 examples, which need 4\.1 GB .* up to 7,812,500"):
        choose_sample(["a", "b"] * 4_000_000, 3_376)


@pytest.mark.long
def test_the_head_is_that_of_an_exact_fit(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = made_up()
    trained = train_on(features, labels, class_weight=ClassWeight.BALANCED)
    monkeypatch.setattr(large, "MOST_NUMBERS", 10**9)
    exact = train_on(features, labels, class_weight=ClassWeight.BALANCED)
    others = made_up(4_000, seed=1)
    one, other = losses(trained, *others), losses(exact, *others)
    assert trained.head.classes == exact.head.classes
    assert one.mean() == pytest.approx(other.mean(), abs=0.01)
    assert np.abs(one - other).mean() < 0.1


@pytest.mark.long
def test_the_estimate_is_of_examples_that_were_not_fitted(small: None) -> None:
    features, labels = made_up()
    trained = train_on(features, labels)
    assert trained.cross_validation is not None
    assert trained.cross_validation.example_count == 120
    assert trained.notes == (
        "The model was fitted on 2,280 of 2,400 examples, estimated on the others, and its penalty chosen on 1,100.",
    )
    of_sample = np.array(labels)[choose_sample(labels, sum(DIMENSIONS.values()))]
    assert trained.out_of_fold is not None
    rows, y = trained.out_of_fold.rows, trained.out_of_fold.y
    assert [trained.head.classes[number] for number in y] == list(of_sample[rows])


@pytest.mark.long
def test_the_mean_of_two_views_is_fitted(small: None) -> None:
    """Each view has the half of what tells the classes apart; the other half is noise."""
    features, labels = made_up()
    noise = np.random.default_rng(5)
    of_view = {View.CROP: {}, View.WHOLE: {}}  # type: dict[View, dict[str, Vectors]]
    for tap, vectors in features.items():
        seen = noise.random(vectors.shape) < 0.5
        of_view[View.CROP][tap] = np.where(seen, 2 * vectors, 0).astype(np.float32)
        of_view[View.WHOLE][tap] = np.where(seen, 0, 2 * vectors).astype(np.float32)
    rows = choose_sample(labels, sum(DIMENSIONS.values()))
    assert rows is not None

    def read(tap: str, view: View) -> Iterator[Vectors]:
        yield from np.array_split(of_view[view][tap], 5)

    trained = train(
        [
            TapFeatures(tap, False, vectors[rows], view)
            for view, vectors_of in of_view.items()
            for tap, vectors in vectors_of.items()
        ],
        list(np.array(labels)[rows]),
        Recipe.AUTO,
        stored=StoredExamples(labels, rows, read),
        progress=lambda *_: None,
        cancelled=lambda: False,
    )
    assert trained.head.views == (View.CROP, View.WHOLE)
    assert losses(trained, *made_up(2_000, seed=1)).mean() < 0.6  # of the mean of both views, which are the features


def test_labels_that_mean_nothing_are_estimated_so(small: None) -> None:
    """Were the held-out examples fitted too, so many columns would let it remember them."""
    features, labels = made_up()
    shuffled = list(np.random.default_rng(3).permutation(labels))
    trained = train_on(features, shuffled)
    assert trained.cross_validation is not None
    assert trained.cross_validation.log_loss > 0.8  # that of the classes' shares alone is 0.9


@pytest.mark.parametrize(
    "stage", ["choosing", pytest.param("reading all", marks=pytest.mark.long), "fitting all 2,400"]
)
def test_it_can_be_cancelled_at_every_stage(small: None, stage: str) -> None:
    features, labels = made_up()
    with pytest.raises(TrainingCancelledError):
        train_on(features, labels, off_at=stage)


def test_the_tutorials_recipe_is_refused() -> None:
    taps = [TapFeatures("scores", True, np.zeros((4, 3), np.float32))]
    stored = StoredExamples(["a", "b"] * 9, np.arange(4), lambda *_: iter(()))
    with pytest.raises(RecipeNotSupportedError, match="the dataset has 18; use the recipe `auto`"):
        train(taps, ["a", "b"] * 2, Recipe.TUTORIAL, stored=stored, progress=lambda *_: None, cancelled=lambda: False)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/store.db")
    backbone = Backbone("tiny", "a" * 64, tuple(Tap(tap, False, size) for tap, size in DIMENSIONS.items()))
    features, labels = made_up(1_500)
    DatasetStore(database).add(
        "d",
        backbone,
        [
            NewExample(f"{row}.jpg", row.to_bytes(32), label, {tap: vectors[row] for tap, vectors in features.items()})
            for row, label in enumerate(labels)
        ],
    )
    yield database
    database.close()


async def test_a_job_reads_what_is_stored_in_blocks(
    stored: Database, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "MOST_NUMBERS", 2 * 700 * sum(DIMENSIONS.values()))
    reports: list[TrainingReport] = []
    workers = Workers("trainings", 1)

    def describe(report: TrainingReport) -> bytes:
        reports.append(report)
        return b"described"

    jobs = TrainingJobs(DatasetStore(stored), ModelStore(stored), workers, describe=describe)
    version = await run(jobs, request())
    assert sorted(version.classes) == ["class 0", "class 1", "class 2"]
    [report] = reports
    assert report.example_count == 1_500
    assert "of 1,500 examples" in report.trained.notes[0]
    assert isinstance(report.trained.cross_validation, Metrics)
    assert report.trained.cross_validation.micro_accuracy > 0.75
    await workers.close()


def test_images_that_are_removed_meanwhile_are_said(stored: Database) -> None:
    store = DatasetStore(stored)
    contents = store.training_set("d").contents
    assert sum(len(block) for block in store.iterate_features("d", "deep", View.CROP, contents)) == 1_500
    ExampleStore(stored).remove("d", [Selector(prefix=contents[3])])
    with pytest.raises(DatasetNotTrainableError, match="were removed while it was trained on; train again"):
        list(store.iterate_features("d", "deep", View.CROP, contents))
    store.delete("d")
    with pytest.raises(ResourceNotFoundError):
        list(store.iterate_features("d", "deep", View.CROP, contents))
