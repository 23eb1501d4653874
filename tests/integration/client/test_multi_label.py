"""The client where images may have several labels, against a fake that keeps label sets."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lastlayer.client import Client
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.client.conftest import Run
from tests.integration.client.fake_classifier import FakeClassifier


@dataclasses.dataclass
class LabelSets(FakeClassifier):
    """A classifier all of whose datasets and models are multi-label; what an image shows is its content, such as
    `red+round-3`.
    """

    classes: tuple[str, ...] = ("red", "round", "big")

    def _outcome(self, example: classifier_pb2.Example) -> classifier_pb2.ExampleOutcome:
        sha256 = example.content_sha256 or hashlib.sha256(example.content).digest()
        outcome = classifier_pb2.ExampleOutcome(id=example.id, content_sha256=sha256)
        if sha256 not in self.store and not example.content:
            outcome.content_needed.SetInParent()
            return outcome
        labels = self.store.setdefault(sha256, [])
        self.names.setdefault(sha256, example.id)
        new = [label for label in (*example.labels, *filter(None, [example.label])) if label not in labels]
        labels.extend(new)
        (outcome.added if new or example.content else outcome.present).SetInParent()
        outcome.labels.extend(labels)
        return outcome

    def _scores(self, content: bytes) -> list[tuple[str, float]]:
        shown = content.decode().split("-")[0].split("+")
        return sorted(((label, 0.875 if label in shown else 0.25) for label in self.classes), key=lambda pair: -pair[1])

    def _predictions(self, request: classifier_pb2.PredictRequest) -> classifier_pb2.PredictResponse:
        response = classifier_pb2.PredictResponse(model=request.model, version=1)
        for image in request.images:
            prediction = response.results.add(id=image.id).prediction
            threshold = request.threshold if request.HasField("threshold") else 0.5
            prediction.multi_label = True
            ranked = self._scores(image.content)
            prediction.labels.extend(label for label, score in ranked if score >= threshold)
            kept = max(request.top_k or len(ranked), len(prediction.labels))
            for label, score in ranked[:kept]:
                prediction.scores.add(label=label, score=score)
            prediction.unfamiliar = prediction.rejected = image.content.startswith(b"strange")
        return response

    def _label_metrics(self) -> types_pb2.MultiLabelMetrics:
        metrics = types_pb2.MultiLabelMetrics(
            example_count=4, log_loss=0.25, micro_average_precision=0.75, macro_average_precision=0.875
        )
        metrics.micro_f1, metrics.macro_f1, metrics.exact_match = 0.5, 0.625, 0.75
        for label in self.classes[:2]:
            entry = metrics.labels.add(label=label, example_count=2, average_precision=0.875, threshold=0.5, f1=0.625)
            entry.curve.add(threshold=0.5, precision=0.75, recall=1)
        metrics.labels.add(label=self.classes[2], example_count=4, threshold=0.5)  # all have it
        return metrics

    def _version(self, model: str, number: int) -> classifier_pb2.ModelVersion:
        version = super()._version(model, number)
        for field in ("cross_validation", "comparisons", "calibration", "rejection", "rejection_curve"):
            version.ClearField(field)
        version.multi_label = True
        version.multi_label_cross_validation.CopyFrom(self._label_metrics())
        version.label_thresholds.extend([0.5] * len(self.classes))
        version.label_temperatures.extend([1, 1.5, 1])
        return version

    def _dataset(self, name: str) -> classifier_pb2.Dataset:
        dataset = classifier_pb2.Dataset(name=name, example_count=4, multi_label=True, without_label_count=1)
        dataset.classes.add(label="red", example_count=2)
        dataset.classes.add(label="round", example_count=3)
        return dataset

    def RelabelExamples(self, request, context):
        self._begin("RelabelExamples", context, request)
        for sha256 in self._selected(request, context):
            self.store[sha256] = [*request.labels, *filter(None, [request.label])]
        return classifier_pb2.RelabelExamplesResponse(changed_count=1, dataset=self._dataset(request.dataset))

    def Evaluate(self, request_iterator, context):
        self._begin("Evaluate", context)
        for request in request_iterator:
            self.calls.append(("Evaluate", request))
            progress = classifier_pb2.EvaluateProgress()
            for example in request.examples:
                result = progress.results.add(id=example.id, labels=example.labels, label_known=True)
                ranked = self._scores(example.content)
                result.predicted.label, result.predicted.score = ranked[0]
                result.predicted_labels.extend(label for label, score in ranked if score >= 0.5)
            yield classifier_pb2.EvaluateResponse(progress=progress)
        evaluation = classifier_pb2.Evaluation(model="default", version=1)
        evaluation.multi_label_metrics.CopyFrom(self._label_metrics())
        evaluation.multi_label_metrics.exact_match_interval.upper = 0.875
        yield classifier_pb2.EvaluateResponse(evaluation=evaluation)

    def ReviewExamples(self, request, context):
        self._begin("ReviewExamples", context, request)
        [(sha256, labels)] = list(self.store.items())[:1]
        entry = classifier_pb2.ReviewedExample(
            example=self._stored(sha256, labels),
            label_probability=0.125,
            suggested_label="big",
            suggested_probability=0.875,
        )
        return classifier_pb2.ReviewExamplesResponse(examples=[entry], total_count=1)


@pytest.fixture
def fake() -> LabelSets:
    return LabelSets()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which a photo is in two sub-folders, and one in none."""
    for name, content in (
        ("red/1.jpg", "red+round-1"),
        ("round/same.jpg", "red+round-1"),
        ("red/2.jpg", "red-2"),
        ("0.jpg", "none-0"),
    ):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_text(content)
    return tmp_path / "photos"


def kept(fake: FakeClassifier) -> dict[str, list[str]]:
    return {fake.names[sha256]: labels for sha256, labels in fake.store.items()}


class TestTraining:
    def test_a_photo_in_several_folders_has_their_labels(self, run: Run, fake: LabelSets, folder: Path) -> None:
        result = run("train", folder, "--multi-label")
        assert result.exit_code == 0, result.output
        assert kept(fake) == {"red/1.jpg": ["red", "round"], "red/2.jpg": ["red"], "0.jpg": []}
        assert all(request.multi_label for request in fake.messages("AddExamples"))
        assert "Dataset default: 3 added, 0 already there" in result.stdout
        assert "with 3 labels" in result.stdout
        assert "mean average precision 0.8750, micro 0.7500, mean F1 0.6250, micro 0.5000" in result.stdout
        assert "red         2  0.8750  0.6250" in result.stdout
        assert "big         4       -       -" in result.stdout
        assert max(map(len, result.stdout.splitlines()[:1])) <= 80

    def test_a_table_has_several_labels_in_a_cell_or_on_several_lines(
        self, run: Run, fake: LabelSets, folder: Path
    ) -> None:
        table = folder.parent / "labels.tsv"
        table.write_text(
            "photos/red/1.jpg\tred | round\nphotos/red/2.jpg\tred\nphotos/red/2.jpg\tbig\nphotos/0.jpg\t\n"
        )
        result = run("add", table, "--multi-label", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["added"] == 3
        assert kept(fake) == {
            "photos/red/1.jpg": ["red", "round"],
            "photos/red/2.jpg": ["red", "big"],
            "photos/0.jpg": [],
        }

    def test_all_images_of_a_folder_have_the_labels_that_are_said(
        self, run: Run, fake: LabelSets, folder: Path
    ) -> None:
        assert run("add", folder / "red", "--multi-label", "--label", "red|big").exit_code == 0
        assert list(kept(fake).values()) == [["red", "big"]] * 2
        wrong = run("add", folder / "red", "--multi-label", "--label", "|")
        assert (wrong.exit_code, "the label is empty" in wrong.stderr) == (2, True)

    def test_without_data_there_is_nothing_to_have_labels(self, run: Run) -> None:
        result = run("train", "--multi-label")
        assert (result.exit_code, "--multi-label goes with DATA" in result.stderr) == (2, True)

    def test_in_python(self, client: Client, fake: LabelSets) -> None:
        added = client.add_examples(
            [(b"red-1", ["red", "big"]), (b"none-1", []), (b"red-1", "round")], multi_label=True
        )
        assert added.added == 3
        assert list(fake.store.values()) == [["red", "big", "round"], []]
        version = client.train()
        assert version.multi_label
        assert version.label_temperatures == (1, 1.5, 1)
        metrics = version.multi_label_cross_validation
        assert metrics is not None
        assert metrics.labels[2].average_precision is None
        assert metrics.labels[0].curve[0].recall == 1
        assert client.get_dataset("default").without_label_count == 1


class TestPrediction:
    def images(self, tmp_path: Path) -> list[Path]:
        paths = []
        for name, content in (("both", "round+red-1"), ("none", "plain-1"), ("odd", "strange+red-1")):
            paths.append(tmp_path / f"{name}.jpg")
            paths[-1].write_text(content)
        return paths

    def test_the_labels_at_their_thresholds(self, run: Run, tmp_path: Path) -> None:
        result = run("predict", *self.images(tmp_path))
        assert result.stdout.splitlines() == [
            "Image: both.jpg labelled: red (0.8750), round (0.8750)",
            "Image: none.jpg labelled: none (the most probable is: red with score: 0.2500)",
            "Image: odd.jpg labelled: unknown (the best guess is: red)",
        ]
        assert max(map(len, result.stdout.splitlines())) <= 80
        lines = run("predict", self.images(tmp_path)[0], "--top-k", 3).stdout.splitlines()
        assert lines[1:] == ["  big: 0.2500"]

    def test_for_programs(self, run: Run, tmp_path: Path) -> None:
        first, second, _ = map(json.loads, run("predict", *self.images(tmp_path), "--json").stdout.splitlines())
        assert (first["multi_label"], first["labels"]) == (True, ["red", "round"])
        assert (second["labels"], len(second["scores"])) == ([], 3)

    def test_in_python_and_in_a_notebook(self, client: Client) -> None:
        predictions = client.predict([b"red+round-1", b"plain-1"])
        assert [prediction.labels for prediction in predictions] == [("red", "round"), ()]
        assert "<td>red, round</td><td>0.8750, 0.8750</td>" in predictions._repr_html_()
        assert client.predict([b"red-1"], threshold=0.2)[0].labels == ("red", "round", "big")


class TestEvaluation:
    def test_labels_in_and_numbers_by_label_out(self, run: Run, fake: LabelSets, folder: Path) -> None:
        (folder / "red" / "3.jpg").write_text("round-3")
        result = run("evaluate", folder, "--multi-label")
        assert result.exit_code == 0, result.output
        sent = [list(example.labels) for request in fake.messages("Evaluate") for example in request.examples]
        assert sorted(sent) == [[], ["red"], ["red"], ["red", "round"]]
        assert "Image: red/3.jpg labelled: round, but has: red" in result.stdout
        assert "Image: 0.jpg labelled: none\n" in result.stdout
        assert "All labels right: 0.7500 (3 of 4, 95 %: 0.0000 to 0.8750)" in result.stdout
        assert "Of 3 labels: mean average precision 0.8750" in result.stdout
        told = json.loads(run("evaluate", folder, "--multi-label", "--json").stdout)
        assert (told["examples"], told["metrics"]["macro_f1"]) == (4, 0.625)

    def test_a_model_of_several_labels_is_not_evaluated_as_one_of_classes(self, run: Run, folder: Path) -> None:
        result = run("evaluate", folder)
        assert result.exit_code == 2
        assert "evaluate it with --multi-label" in result.stderr


class TestPuttingRight:
    @pytest.fixture(autouse=True)
    def image(self, client: Client) -> None:
        client.add_examples([(b"red-1", ["red"])], multi_label=True)

    @pytest.mark.parametrize(
        ("arguments", "labels"), [(["big"], ["big"]), (["red", "big"], ["red", "big"]), ([""], [])]
    )
    def test_relabelled_to_any_number(self, run: Run, fake: LabelSets, arguments: list[str], labels: list[str]) -> None:
        sha256 = hashlib.sha256(b"red-1").hexdigest()
        to = [word for label in arguments for word in ("--to", label)]
        result = run("relabel", sha256[:12], *to, "--yes")
        assert result.exit_code == 0, result.output
        assert list(fake.store.values()) == [labels]

    def test_a_label_that_is_missing_is_added_to_the_others(self, run: Run) -> None:
        result = run("review")
        assert "--to red --to big" in result.stdout

    def test_a_dataset_says_what_it_is(self, run: Run) -> None:
        shown = run("datasets", "show", "default").stdout
        assert "Its images may have several labels, or none" in shown
        assert "1 with none of these labels" in shown
        told = json.loads(run("datasets", "show", "default", "--json").stdout)
        assert (told["multi_label"], told["without_label"]) == (True, 1)


def test_a_dataset_of_one_label_each_says_nothing_of_it(make_run: Callable[[FakeClassifier], Run]) -> None:
    told = json.loads(make_run(FakeClassifier())("datasets", "show", "default", "--json").stdout)
    assert "multi_label" not in told


def test_sorting_needs_one_class_for_each_photo(run: Run, folder: Path) -> None:
    result = run("sort", folder, "--into", folder.parent / "sorted", "--yes")
    assert result.exit_code == 2
    assert "predicts several labels for an image; sorting needs a model with one class for each" in result.stderr
    assert not (folder.parent / "sorted").exists()
