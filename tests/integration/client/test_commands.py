"""The command line against a scripted classifier: what it prints, and how it exits."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lastlayer.classifier.domain.errors import DatasetNotTrainableError
from lastlayer.client.__main__ import main
from lastlayer.rpc.errors import PermissionDeniedError, UnauthenticatedError
from tests.integration.client.conftest import Photos, Run, objects
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.integration.client.fake_classifier.scripted import Broken, Hang
from tests.programs import AS_IN_A_TERMINAL, WAIT_S


class TestTrain:
    @pytest.mark.parametrize("form", [0, 1, 2], ids=["folder", "tsv", "csv"])
    @pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
    def test_all_forms_of_data(self, run: Run, photos: Photos, fake: FakeClassifier, form: int, as_json: bool) -> None:
        result = run("train", photos.sources()[form], *["--json"] * as_json)
        assert result.exit_code == 0, result.output
        assert sorted(fake.store.values()) == [["cat"], ["cat"], ["dog"], ["dog"]]
        assert "Adding: 4 of 4 images" in result.stderr
        assert "Training: step 1" in result.stderr
        if as_json:
            [version] = objects(result)
            assert set(version) >= {"model", "version", "classes", "examples", "tap", "recipe", "metrics"}
            assert (version["model"], version["version"], version["examples"]) == ("default", 1, 4)
            assert version["classes"] == ["cat", "dog"]
            assert version["tap"] == "mixed4e+avgpool0"
            assert version["metrics"] == {
                "estimate": "cross-validation",
                "accuracy": 0.75,
                "macro_accuracy": 0.7,
                "log_loss": 0.5,
                "log_loss_reduction": 0.25,
                "per_class_log_loss": [0.0, 0.1],
                "confusion_matrix": [[0, 1], [2, 3]],
                "classes": ["cat", "dog"],
                "accuracy_interval": [0.5, 0.9],
                "log_loss_interval": None,
                "interval_inflation": 1.0,
                "expected_calibration_error": 0.125,
                "reliability": [
                    {
                        "lower": 0.5,
                        "upper": 1.0,
                        "example_count": 8,
                        "mean_probability": 0.875,
                        "accuracy": 0.75,
                    }
                ],
            }
            assert version["class_weight"] == "balanced"
            assert version["rejection"] == {
                "threshold": 0.625,
                "min_precision": 0.9,
                "max_distance": 0.0,
                "unfamiliar_share": 0.0,
            }
            assert version["rejection_curve"] == [{"threshold": 0.5, "precision": 0.75, "coverage": 1.0}]
            assert version["calibration"]["temperature"] == 1.5
            assert (len(version["trials"]), version["libraries"]) == (1, {"scikit-learn": "1.7.2"})
        else:
            assert "Dataset default: 4 added, 0 already there" in result.stdout
            assert "Version 1 of model default: 4 examples of 2 classes, backbone tiny, 1.5 s" in result.stdout
            assert (
                "Cross-validated accuracy: 0.7500 (95 %: 0.5000 to 0.9000), LogLoss: 0.5000 (estimates" in result.stdout
            )
            assert (
                "Calibrated with temperature 1.50: expected calibration error 0.125, before 0.250\n"
                "Predictions below 0.6250 are unknown, for a precision of 0.9\n"
            ) in result.stdout
            assert [line.split() for line in result.stdout.splitlines() if "tutorial" in line] == [
                ["tutorial", "softmax2", "0.7500", "0.5000"]
            ]
            assert "Note: The class dog has few examples." in result.stdout

    def test_again_sends_no_image(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        run("train", photos.folder)
        result = run("train", photos.tsv, "--json")
        assert objects(result)[0]["present"] == 4
        assert sum(bool(e.content) for message in fake.messages("AddExamples") for e in message.examples) == 4

    def test_names_go_where_they_should(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        run("train", photos.tsv, "--model", "m", "--dataset", "d", "--recipe", "tutorial")
        request = fake.messages("Train")[0]
        assert (request.model, request.dataset, fake.messages("AddExamples")[0].dataset) == ("m", "d", "d")
        run("train", photos.tsv, "--model", "m")
        assert fake.messages("AddExamples")[-1].dataset == "m"

    def test_images_are_looked_for_where_it_is_said(self, run: Run, photos: Photos, tmp_path: Path) -> None:
        table = tmp_path / "elsewhere" / "tags.tsv"
        table.parent.mkdir()
        table.write_text("cat0.jpg\tcat \n")
        result = run("train", table, "--images", photos.folder / "cat")
        assert result.exit_code == 0
        assert "Note: 1 label had white space around it, which was removed." in result.stderr

    def test_some_images_failed(self, run: Run, photos: Photos) -> None:
        (photos.folder / "cat" / "broken.jpg").write_text("bad")
        photos.tsv.write_text(photos.tsv.read_text() + "photos/none.jpg\tcat\nphotos/cat/broken.jpg\tcat\n")
        result = run("train", photos.tsv, "--json")
        assert result.exit_code == 1
        assert (
            f"Failed: photos/none.jpg: {photos.tsv}, line 5: There is no file"
            f" `{photos.tsv.parent / 'photos/none.jpg'}`.\n"
        ) in result.stderr
        assert "Failed: photos/cat/broken.jpg: The bytes are no image of a supported format." in result.stderr
        assert {entry["error"]["code"] for entry in objects(result)[0]["failed"]} == {"NOT_FOUND", "INVALID_ARGUMENT"}

    def test_conflicts_are_shown(self, run: Run, photos: Photos) -> None:
        photos.tsv.write_text(photos.tsv.read_text() + "photos/cat/cat0.jpg\tdog\n")
        result = run("train", photos.tsv)
        assert result.exit_code == 0
        assert "4 added, 0 already there, 1 with several labels, not trained on" in result.stdout
        assert "  photos/cat/cat0.jpg has the labels cat, dog\n" in result.stdout

    def test_nothing_to_train_on(self, run: Run, tmp_path: Path, fake: FakeClassifier) -> None:
        table = tmp_path / "tags.tsv"
        table.write_text("none.jpg\tcat\n")
        result = run("train", table)
        assert result.exit_code == 2
        assert "Error: none of the images can be trained on; nothing was trained." in result.stderr
        assert fake.count("Train") == 0

    def test_wrong_data(self, run: Run, tmp_path: Path) -> None:
        table = tmp_path / "tags.tsv"
        table.write_text("a.jpg\nb.jpg\tcat\tmore\n")
        result = run("train", table)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert [line[:5] for line in result.stderr.splitlines()] == ["Error", "Error"]

    def test_too_few_examples_for_an_estimate(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        fake.cross_validated = False
        assert "No cross-validated estimate" in run("train", photos.tsv).stdout
        assert objects(run("train", photos.tsv, "--json"))[0]["metrics"] is None

    def test_a_version_of_an_older_server(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        fake.detailed = False
        text = run("train", photos.tsv).stdout
        assert "Cross-validated accuracy: 0.7500, LogLoss: 0.5000 (estimates for new images)" in text
        assert "Calibrated" not in text
        assert "unknown" not in text
        [version] = objects(run("train", photos.tsv, "--json"))
        assert (version["class_weight"], version["calibration"], version["rejection"]) == ("none", None, None)
        assert (version["metrics"]["accuracy_interval"], version["metrics"]["expected_calibration_error"]) == (
            None,
        ) * 2

    def test_a_dataset_that_cannot_be_trained_on(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        fake.script["Train"] = [DatasetNotTrainableError("The dataset `default` has one class; two are needed.")]
        result = run("train", photos.tsv)
        assert result.exit_code == 2
        assert "Error: The dataset `default` has one class; two are needed.\n" in result.stderr


class TestResources:
    def test_lists(self, run: Run, fake: FakeClassifier) -> None:
        fake.models = ["default", "flowers", "waste"]
        for command, key in (("models", "model"), ("datasets", "dataset")):
            text = run(command)
            assert text.exit_code == 0
            assert [line.split()[0] for line in text.stdout.splitlines()] == [key, *fake.models]
            assert [entry[key] for entry in objects(run(command, "--json"))] == fake.models
            assert run(command, "list").stdout == text.stdout

    def test_empty_lists_say_what_to_do(self, run: Run, fake: FakeClassifier) -> None:
        fake.models = []
        assert run("models").stdout == "There are no models yet; `client train DATA` makes one.\n"
        assert run("datasets").stdout == "There are no datasets yet; `client train DATA` makes one.\n"
        assert run("models", "--json").stdout == ""

    def test_show(self, run: Run) -> None:
        text = run("models", "show", "default").stdout
        assert [line.split()[0] for line in text.splitlines()[2:]] == ["5", "4", "3", "2", "1"]
        assert "1 (default)" in text
        versions = objects(run("models", "show", "default", "--json"))
        assert [entry["default"] for entry in versions] == [False, False, False, False, True]
        assert ["cat", "3"] in [line.split() for line in run("datasets", "show", "default").stdout.splitlines()]
        assert objects(run("datasets", "show", "default", "--json"))[0]["classes"] == {"cat": 3}
        assert run("datasets", "show", "none").exit_code == 2

    def test_set_default(self, run: Run, fake: FakeClassifier) -> None:
        assert run("models", "set-default", "default", 3).stdout == "Model default now uses version 3.\n"
        assert objects(run("models", "set-default", "default", 2, "--json"))[0]["default_version"] == 2
        assert fake.messages("SetDefaultVersion")[0].version == 3

    def test_delete(self, run: Run, fake: FakeClassifier) -> None:
        refused = run("models", "delete", "default")
        assert refused.exit_code == 2
        assert "--yes" in refused.stderr
        assert fake.calls == []
        assert run("models", "delete", "default", "--version", 2, "--yes").stdout == "Deleted version 2 of default.\n"
        assert run("models", "delete", "default", "--yes").stdout == "Deleted model default with all its versions.\n"
        assert run("datasets", "delete", "default", "--yes").stdout == "Deleted dataset default.\n"
        assert objects(run("datasets", "delete", "default", "--yes", "--json")) == [{"deleted": {"dataset": "default"}}]
        assert [fake.count(name) for name in ("DeleteModelVersion", "DeleteModel", "DeleteDataset")] == [1, 1, 2]

    def test_status(self, run: Run, server: str) -> None:
        result = run("status")
        assert result.exit_code == 0
        assert result.stdout == (
            f"Server: {server}\nserver: SERVING\nlastlayer.v1.Classifier: SERVING\nfeaturizer: SERVING\n"
            "Backbone: tiny\n"
        )
        assert objects(run("status", "--json"))[0]["serving"] is True

    def test_status_with_a_token_that_is_for_predictions_alone(self, run: Run, fake: FakeClassifier) -> None:
        fake.script["ListDatasets"] = [PermissionDeniedError("The token is not for this method.")] * 2
        result = run("status")
        assert result.exit_code == 0, result.stderr
        assert result.stdout.endswith("Backbone: datasets are not visible to this token\n")
        assert objects(run("status", "--json"))[0]["backbone"] is None

    def test_status_with_no_valid_token(self, run: Run, fake: FakeClassifier) -> None:
        fake.script["ListDatasets"] = [UnauthenticatedError("The token is not valid.")]
        assert run("status").exit_code == 3

    def test_status_of_a_server_that_is_starting(self, fake: FakeClassifier) -> None:
        with running(fake, serving=lambda name: False) as address:
            result = CliRunner().invoke(main, ["status", "--server", address])
        assert result.exit_code == 3
        assert "server: NOT_SERVING" in result.stdout


class TestFailures:
    def test_a_server_that_is_not_there(self, photos: Photos) -> None:
        with socket.socket() as reserved:  # bound, but not listening: nobody else can answer
            reserved.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{reserved.getsockname()[1]}"
            for arguments in (
                ["status"],
                ["models"],
                ["train", str(photos.folder)],
                ["evaluate", str(photos.folder)],
                ["predict", str(photos.folder / "cat" / "cat0.jpg")],
            ):
                result = CliRunner().invoke(main, [*arguments, "--server", address])
                assert result.exit_code == 3
                assert result.stdout == ""
                assert result.stderr == (
                    f"Error: The server at {address} cannot be reached; start it with `lastlayer up` or `docker compose"
                    " up`, or name another with --server HOST:PORT or LASTLAYER_SERVER.\n"
                )

    def test_a_server_that_goes_away_for_good(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        fake.script["Train"] = [Broken()] * 9
        assert run("train", photos.folder).exit_code == 3

    def test_wrong_use(self, run: Run, photos: Photos) -> None:
        for arguments in (
            ["nonsense"],
            ["predict"],
            ["add"],
            ["train", photos.tsv, "--recipe", "magic"],
            ["predict", "x.jpg", "--top-k", "0"],
            ["status", "--server", "localhost"],
            ["status", "--timeout", "0"],
            ["train", photos.folder, "--images", photos.folder],
        ):
            result = run(*arguments)
            assert result.exit_code == 2, arguments
            assert "Error: " in result.stderr

    @pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a POSIX signal")
    @pytest.mark.parametrize("method", ["AddExamples", "Train", "Predict", "PredictStream", "GetModel"])
    def test_interrupted(self, server: str, photos: Photos, fake: FakeClassifier, method: str) -> None:
        fake.script[method] = [hang := Hang()]
        command = {
            "GetModel": ["models", "show", "default"],
            "Predict": ["predict", str(photos.folder / "cat" / "cat0.jpg")],
            "PredictStream": ["predict", *[str(photos.folder / "cat" / "cat0.jpg")] * 2],
        }.get(method, ["train", str(photos.folder)])
        arguments = [*AS_IN_A_TERMINAL, sys.executable, "-m", "lastlayer.client", *command, "--server", server]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert hang.entered.wait(timeout=WAIT_S)
                process.send_signal(signal.SIGINT)
                stdout, stderr = process.communicate(timeout=WAIT_S)
            finally:
                process.kill()
        assert process.returncode == 130
        assert stdout == ""
        assert stderr.splitlines()[-1] == "Interrupted."
        assert hang.left.wait(timeout=WAIT_S), "the server heard of it"
