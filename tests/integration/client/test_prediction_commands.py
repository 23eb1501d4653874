"""The commands that predict: `predict` and `evaluate`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lastlayer.rpc.errors import OverloadedError
from lastlayer.v1 import classifier_pb2
from tests.integration.client.conftest import Photos, Run, objects
from tests.integration.client.fake_classifier import FakeClassifier


class TestPredict:
    def test_people_read_sentences_in_the_order_of_the_arguments(self, run: Run, photos: Photos) -> None:
        dog, cat = photos.folder / "dog" / "dog1.jpg", photos.folder / "cat" / "cat0.jpg"
        result = run("predict", dog, cat, dog)
        assert result.exit_code == 0
        assert result.stdout == (
            "Image: dog1.jpg predicted as: dog with score: 0.7500\n"
            "Image: cat0.jpg predicted as: cat with score: 0.7500\n"
            "Image: dog1.jpg predicted as: dog with score: 0.7500\n"
        )

    def test_it_imports_nothing_of_other_commands(self, server: str, photos: Photos) -> None:
        """To read a module and to make its classes takes longer than the answer does."""
        program = (
            "import sys; from lastlayer.client.__main__ import main; main(standalone_mode=False); print(*sys.modules)"
        )
        image = photos.folder / "cat" / "cat0.jpg"
        done = subprocess.run(
            [sys.executable, "-c", program, "predict", image, "--server", server],
            capture_output=True,
            text=True,
            check=True,
        )
        answer, modules = done.stdout.splitlines()
        assert answer == "Image: cat0.jpg predicted as: cat with score: 0.7500"
        ours = {name for name in modules.split() if name.startswith("lastlayer.")}
        results = {name for name in ours if name.startswith("lastlayer.client.results.")}
        assert results == {"lastlayer.client.results.models", "lastlayer.client.results.predictions"}
        others = {
            *(
                "lastlayer.client.data.labelled",
                "lastlayer.client.output.json_lines",
                "lastlayer.client.output.results",
            ),
            *("lastlayer.rpc.credentials", "lastlayer.rpc.status"),
            *("html", "numpy", "PIL", "random", "rich"),
            *("asyncio", "grpc.aio", "socket", "ssl"),
        }
        assert not others & set(modules.split())

    def test_images_of_the_same_name_are_told_apart(self, run: Run, photos: Photos, tmp_path: Path) -> None:
        (tmp_path / "cat0.jpg").write_text("dog-9")
        result = run("predict", photos.folder / "cat" / "cat0.jpg", tmp_path / "cat0.jpg")
        assert f"Image: {tmp_path / 'cat0.jpg'} predicted as: dog" in result.stdout

    def test_programs_read_all_scores(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        fake.classes = ("cat", "dog", "größe 🦆")
        image = photos.folder / "dog" / "dog1.jpg"
        [answer] = objects(run("predict", image, "--json"))
        assert list(answer) == [
            *("image", "label", "score", "scores", "rejected", "model", "version"),
            *("distance", "unfamiliar"),
        ]
        assert (answer["image"], answer["label"], answer["score"]) == (str(image), "dog", 0.75)
        assert [entry["label"] for entry in answer["scores"]] == ["dog", "cat", "größe 🦆"]
        assert sum(entry["score"] for entry in answer["scores"]) == 1
        [answer] = objects(run("predict", image, "--json", "--top-k", 2, "--version", 7))
        assert len(answer["scores"]) == 2
        assert answer["version"] == 7

    def test_several_classes_for_people(self, run: Run, photos: Photos) -> None:
        result = run("predict", photos.folder / "dog" / "dog1.jpg", "--top-k", 2)
        assert result.stdout.splitlines()[1] == "  cat: 0.2500"

    @pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
    def test_standard_input(self, run: Run, as_json: bool) -> None:
        result = run("predict", "-", *["--json"] * as_json, stdin=b"cat-1")
        assert result.exit_code == 0
        if as_json:
            assert objects(result)[0]["image"] == "-"
        else:
            assert result.stdout == "Image: - predicted as: cat with score: 0.7500\n"
        assert run("predict", "-", "-").exit_code == 2

    def test_what_fails_fails_alone(self, run: Run, photos: Photos, tmp_path: Path) -> None:
        bad = tmp_path / "bad.jpg"
        bad.write_text("bad")
        good = photos.folder / "cat" / "cat0.jpg"
        result = run("predict", tmp_path / "none.jpg", good, bad, photos.folder, "--json")
        assert result.exit_code == 1
        none, fine, broken, folder = objects(result)
        assert none == {
            "image": str(tmp_path / "none.jpg"),
            "error": {
                "code": "NOT_FOUND",
                "reason": "FILE_NOT_FOUND",
                "message": f"There is no file `{tmp_path / 'none.jpg'}`.",
            },
        }
        assert fine["label"] == "cat"
        assert broken["error"]["reason"] == "IMAGE_UNDECODABLE"
        assert "is a folder; name the image files in it" in folder["error"]["message"]
        text = run("predict", tmp_path / "none.jpg", good)
        assert text.exit_code == 1
        assert text.stdout.startswith("Image: cat0.jpg")
        assert text.stderr.startswith("Failed: none.jpg: There is no file")

    def test_a_file_name_cannot_control_the_terminal(self, run: Run, tmp_path: Path) -> None:
        image = tmp_path / "[red]\x1b[31m\n.jpg"
        image.write_text("cat-1")
        result = run("predict", image)
        assert result.stdout == "Image: [red]\\x1b[31m\\n.jpg predicted as: cat with score: 0.7500\n"

    @pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX alone")
    def test_a_file_name_that_is_no_unicode(self, run: Run, tmp_path: Path) -> None:
        image = tmp_path / "\udcff.jpg"
        try:
            image.write_text("cat-1")
        except OSError:
            pytest.skip("this file system takes only names in Unicode")
        assert run("predict", image).stdout == "Image: \\udcff.jpg predicted as: cat with score: 0.7500\n"
        assert objects(run("predict", image, "--json"))[0]["image"] == str(image)

    def test_an_unknown_model(self, run: Run, photos: Photos) -> None:
        result = run("predict", photos.folder / "cat" / "cat0.jpg", "--model", "none")
        assert result.exit_code == 2
        assert result.stderr == "Error: There is no model `none`.\n"

    @pytest.mark.parametrize(("method", "count"), [("Predict", 1), ("PredictStream", 2)])
    def test_a_busy_server_is_waited_for(
        self, run: Run, photos: Photos, fake: FakeClassifier, method: str, count: int
    ) -> None:
        fake.script[method] = [OverloadedError("Full.", retry_after_s=0.001)] * 3
        assert run("predict", *[photos.folder / "cat" / "cat0.jpg"] * count).exit_code == 0
        assert fake.count(method) == 4

    def test_a_lone_image_is_no_stream(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        assert run("predict", photos.folder / "cat" / "cat0.jpg").exit_code == 0
        assert (fake.count("Predict"), fake.count("PredictStream")) == (1, 0)


class TestEvaluate:
    def test_for_people(self, run: Run, photos: Photos) -> None:
        (photos.folder / "cat" / "wrong.jpg").write_text("dog-7")
        result = run("evaluate", photos.folder)
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert lines[:5] == [
            "Image: cat/cat0.jpg predicted as: cat with score: 0.7500",
            "Image: cat/cat1.jpg predicted as: cat with score: 0.7500",
            "Image: cat/wrong.jpg predicted as: dog with score: 0.7500, but is: cat",
            "Image: dog/dog0.jpg predicted as: dog with score: 0.7500",
            "Image: dog/dog1.jpg predicted as: dog with score: 0.7500",
        ]
        assert "Accuracy is: 0.7500 (4 of 5 right, 95 %: 0.5000 to 0.9000)" in lines
        assert "LogLoss is: 0.5000" in lines
        assert "PerClassLogLoss is: cat 0.0000, dog 0.1000" in lines
        assert "LogLossReduction is: 0.2500" in lines
        assert [line.split() for line in lines[-3:]] == [["cat", "dog"], ["cat", "0", "1"], ["dog", "2", "3"]]

    def test_of_many_images_the_wrong_ones_are_printed_and_all_on_request(self, run: Run, photos: Photos) -> None:
        for number in range(15):
            (photos.folder / "cat" / f"more{number:02}.jpg").write_text(f"cat-{number + 9}")
        (photos.folder / "cat" / "wrong.jpg").write_text("dog-7")
        assert run("evaluate", photos.folder).stdout.count("Image: ") == 20
        (photos.folder / "cat" / "broken.jpg").write_text("bad")
        result = run("evaluate", photos.folder)
        wrong = "Image: cat/wrong.jpg predicted as: dog with score: 0.7500, but is: cat"
        assert [line for line in result.stdout.splitlines() if "Image: " in line] == [wrong]
        each = run("evaluate", photos.folder, "--each").stdout.splitlines()
        assert sum("Image: " in line for line in each) == 20
        assert each[17] == wrong

    def test_for_programs(self, run: Run, photos: Photos) -> None:
        photos.tsv.write_text(photos.tsv.read_text() + "photos/cat/cat1.jpg\tcow\nphotos/none.jpg\tcat\n")
        result = run("evaluate", photos.tsv, "--json")
        assert result.exit_code == 1
        [answer] = objects(result)
        expected = {
            "examples": 4,
            "accuracy": 0.75,
            "log_loss": 0.5,
            "log_loss_reduction": 0.25,
            "per_class_log_loss": [0.0, 0.1],
            "confusion_matrix": [[0, 1], [2, 3]],
            "classes": ["cat", "dog"],
            "model": "default",
            "version": 1,
            "unknown_labels": {"cow": 1},
        }
        assert {key: answer[key] for key in expected} == expected
        assert answer["failed"][0]["image"] == "photos/none.jpg"

    def test_unknown_labels_are_named(self, run: Run, photos: Photos) -> None:
        photos.tsv.write_text(photos.tsv.read_text() + "photos/cat/cat1.jpg\tcow\n")
        text = run("evaluate", photos.tsv).stdout
        assert "Not evaluated: 1 with the label cow, which the model does not know" in text
        assert "predicted as: cat with score: 0.7500, labelled cow, which the model does not know\n" in text

    def test_near_duplicates_flatter(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        assert "flatters" not in run("evaluate", photos.tsv).stdout
        fake.near_duplicates = [
            classifier_pb2.NearDuplicate(
                id=f"cat{number}.jpg", training_id=f"old{number}.jpg", training_label="cat", similarity=1 - number / 8
            )
            for number in range(7)
        ]
        lines = run("evaluate", photos.tsv).stdout.splitlines()
        assert lines[-6] == (
            "Note: 7 of the images are, or nearly are, images that the model was trained on, which flatters these"
            " numbers; the most similar:"
        )
        assert lines[-5] == "  cat0.jpg is like old0.jpg (cat), similarity 1.0000"
        [answer] = objects(run("evaluate", photos.tsv, "--json"))
        assert (answer["near_duplicate_count"], len(answer["near_duplicates"])) == (7, 7)
        assert answer["near_duplicates"][1] == {
            "image": "cat1.jpg",
            "training_id": "old1.jpg",
            "training_label": "cat",
            "similarity": 0.875,
        }

    def test_near_duplicates_without_names_are_those_that_a_token_for_predictions_sees(
        self, run: Run, photos: Photos, fake: FakeClassifier
    ) -> None:
        fake.near_duplicates = [classifier_pb2.NearDuplicate(id="cat.jpg", similarity=1)]
        assert "  cat.jpg is like one, similarity 1.0000\n" in run("evaluate", photos.tsv).stdout

    def test_a_version_may_be_named(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        run("evaluate", photos.tsv, "--version", 3, "--model", "default")
        assert fake.messages("Evaluate")[0].version == 3

    def test_an_unknown_model(self, run: Run, photos: Photos) -> None:
        result = run("evaluate", photos.tsv, "--model", "none")
        assert result.exit_code == 2
        assert result.stderr.endswith("Error: There is no model `none`.\n")
