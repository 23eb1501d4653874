"""The commands that keep datasets and versions in order, against a scripted classifier."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from lastlayer.client import Client, InvalidInputError
from lastlayer.client.export.npz import probabilities
from lastlayer.rpc.errors import InvalidFieldError, ResourceNotFoundError
from lastlayer.v1 import classifier_pb2
from tests.integration.client.conftest import Photos, Run
from tests.integration.client.fake_classifier import FakeClassifier


def stored(run: Run, photos: Photos) -> list[Path]:
    """Add the photos, and return them in the order in which they are listed."""
    assert run("add", photos.folder).exit_code == 0
    return sorted(path for path in photos.folder.rglob("*") if path.is_file())


class TestAdd:
    def test_adds_without_training(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        result = run("add", photos.folder, "--dataset", "pets")
        assert (result.exit_code, result.stdout) == (0, "Dataset pets: 4 added, 0 already there\n")
        assert fake.count("Train") == 0
        assert {message.dataset for message in fake.messages("AddExamples")} == {"pets"}
        assert not fake.messages("AddExamples")[0].no_thumbnails

    def test_for_programs_and_without_thumbnails(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        result = run("add", photos.folder, "--no-thumbnails", "--json")
        assert json.loads(result.stdout)["added"] == 4
        assert all(message.no_thumbnails for message in fake.messages("AddExamples"))

    def test_views(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        assert run("add", photos.folder, "--views", "crop, whole,crop").exit_code == 0
        assert all(list(message.views) == [1, 2] for message in fake.messages("AddExamples"))
        refused = run("add", photos.folder, "--views", "round")
        assert refused.exit_code == 2
        assert "there is no view `round`; there are crop, whole, crop-flipped, whole-flipped." in refused.stderr
        without = run("train", "--views", "whole")
        assert (without.exit_code, "--views goes with DATA." in without.stderr) == (2, True)

    def test_an_image_that_fails_is_named(self, run: Run, photos: Photos) -> None:
        (photos.folder / "cat" / "broken.jpg").write_bytes(b"bad")
        result = run("add", photos.folder)
        assert result.exit_code == 1
        assert "broken.jpg" in result.stderr


class TestTrainOnWhatIsStored:
    def test_nothing_is_sent(self, run: Run, fake: FakeClassifier) -> None:
        result = run("train", "--model", "pets", "--class-weight", "balanced", "--min-precision", "0.9")
        assert result.exit_code == 0, result.output
        assert fake.count("AddExamples") == 0
        [request] = fake.messages("Train")
        assert (request.model, request.class_weight) == ("pets", classifier_pb2.CLASS_WEIGHT_BALANCED)
        assert request.min_precision == 0.9
        assert "Dataset" not in result.stdout
        assert "added" not in json.loads(run("train", "--json").stdout)

    def test_images_go_with_data(self, run: Run, tmp_path: Path) -> None:
        result = run("train", "--images", tmp_path)
        assert (result.exit_code, "--images goes with DATA" in result.stderr) == (2, True)

    def test_what_is_not_sent_leaves_no_thumbnail(self, run: Run) -> None:
        result = run("train", "--no-thumbnails")
        assert (result.exit_code, "--no-thumbnails goes with DATA" in result.stderr) == (2, True)

    @pytest.mark.parametrize("precision", ["1", "-0.1", "x"])
    def test_a_precision_is_below_one(self, run: Run, precision: str) -> None:
        assert run("train", "--min-precision", precision).exit_code == 2


class TestRelabelAndRemove:
    def test_an_example_is_a_file_an_id_or_the_beginning_of_a_checksum(
        self, run: Run, photos: Photos, fake: FakeClassifier
    ) -> None:
        paths = stored(run, photos)
        digests = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
        named = fake.names[digests[1]]
        result = run("relabel", paths[0], named, digests[2].hex()[:8], "--to", "fox", "--dataset", "default")
        assert (result.exit_code, result.stdout) == (0, "Dataset default: 3 of 3 relabelled fox.\n")
        assert [fake.store[digest] for digest in digests[:3]] == [["fox"]] * 3
        assert fake.store[digests[3]] != ["fox"]

    def test_a_label_that_an_example_has_already(self, run: Run, photos: Photos) -> None:
        path = stored(run, photos)[0]
        run("relabel", path, "--to", "fox")
        assert run("relabel", path, "--to", "fox").stdout == (
            "Dataset default: 0 of 1 relabelled fox; the others had that label alone already.\n"
        )

    def test_the_folder_does_not_bring_the_old_label_back(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        path = stored(run, photos)[0]
        run("relabel", path, "--to", "fox")
        for command in ("add", "train"):
            result = run(command, photos.folder)
            assert result.exit_code == 0
            assert result.stdout.startswith("Dataset default: 0 added, 4 already there\n")
            assert result.stderr.count("keeps the label") == 1
            note = "Note: 1 image keeps the label that `client relabel` set, whatever DATA says: cat/cat0.jpg (fox)\n"
            assert note in result.stderr
        assert json.loads(run("add", photos.folder, "--json").stdout)["relabelled"] == [
            {"image": "cat/cat0.jpg", "label": "fox"}
        ]
        assert sorted(fake.store.values()) == [["cat"], ["dog"], ["dog"], ["fox"]]

    def test_an_id_may_have_hexadecimal_digits_alone(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        paths = stored(run, photos)
        digests = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
        for digest, named in zip(digests, ("deadbeef", "0123456789", "id:1"), strict=False):
            fake.names[digest] = named
            assert run("relabel", f"id:{named}", "--to", "fox").stdout == "Dataset default: 1 of 1 relabelled fox.\n"
            assert fake.store[digest] == ["fox"]
        assert "or `id:deadbeef0` where it is an id" in run("relabel", "deadbeef0", "--to", "fox").stderr

    def test_an_example_that_is_not_there_is_named_as_it_was_given(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "new.jpg").write_text("cat-9")
        for example in ("nothing.jpg", "DEADBEEF", tmp_path / "new.jpg", "x" * 1000):
            for command in (["relabel", example, "--to", "fox"], ["remove", example, "--yes"]):
                result = run(*command)
                assert result.exit_code == 2
                assert result.stderr == (
                    f"Error: `{example}` is no example of the dataset `default`, which has those that"
                    " `client datasets show default --examples` lists.\n"
                )

    def test_a_dataset_that_is_not_there(self, run: Run, fake: FakeClassifier) -> None:
        fake.script["RelabelExamples"] = [ResourceNotFoundError("dataset", "pets")]
        result = run("relabel", "a.jpg", "--to", "fox", "--dataset", "pets")
        assert (result.exit_code, result.stderr) == (2, "Error: There is no dataset `pets`.\n")

    def test_half_a_byte_of_a_checksum(self, run: Run, fake: FakeClassifier) -> None:
        result = run("remove", "deadbeef0", "--yes")
        assert (result.exit_code, "`deadbeef0` has an odd number of digits" in result.stderr) == (2, True)
        assert fake.calls == []

    def test_removing_asks(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        paths = stored(run, photos)
        result = run("remove", paths[0])
        assert (result.exit_code, "needs --yes" in result.stderr, len(fake.store)) == (2, True, 4)
        result = run("remove", paths[0], paths[0], "--yes")
        assert result.stdout == "Dataset default: 1 removed, 3 left to train on.\n"
        assert len(fake.store) == 3
        assert json.loads(run("remove", paths[1], "--yes", "--json").stdout)["removed"] == 1


class TestShow:
    def test_what_is_not_trained_on_is_listed(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        paths = stored(run, photos)
        digests = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
        fake.store[digests[0]].append("dog")
        fake.stale.add(digests[3])
        result = run("datasets", "show", "default")
        assert result.exit_code == 0, result.output
        conflict = f"{fake.names[digests[0]]} ({digests[0].hex()[:12]}) has the labels cat, dog"
        assert conflict in result.stdout
        assert "1 to be added again, as another backbone featurized them:" in result.stdout
        shown = json.loads(run("datasets", "show", "default", "--json").stdout)
        assert [entry["labels"] for entry in shown["conflicting"]] == [["cat", "dog"]]
        assert [entry["sha256"] for entry in shown["to_add_again"]] == [digests[3].hex()]

    def test_examples_are_listed_page_by_page(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        paths = stored(run, photos)
        result = run("datasets", "show", "default", "--examples")
        for path in paths:
            assert hashlib.sha256(path.read_bytes()).hexdigest()[:12] in result.stdout
        assert fake.count("ListExamples") == 2
        labelled = run("datasets", "show", "default", "--examples", "--label", "dog", "--json")
        assert [json.loads(line)["labels"] for line in labelled.stdout.splitlines()] == [["dog"]] * 2
        assert run("datasets", "show", "default", "--label", "dog").exit_code == 2


class TestReview:
    def test_the_suggestion_can_be_pasted(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        paths = stored(run, photos)
        result = run("review", "--limit", "2")
        assert result.exit_code == 0, result.output
        digest = hashlib.sha256(paths[0].read_bytes()).hexdigest()[:12]
        assert "2 of 4; --limit shows more" in result.stdout
        assert f"client relabel {digest} --to 'sea dog' --dataset default" in result.stdout
        assert fake.messages("ReviewExamples")[0].kind == classifier_pb2.REVIEW_KIND_SUSPICIOUS_LABELS
        lines = run("review", "--mistakes", "--json").stdout.splitlines()
        assert json.loads(lines[0])["suggested_probability"] == 0.875
        assert fake.messages("ReviewExamples")[1].kind == classifier_pb2.REVIEW_KIND_MISTAKES

    def test_the_command_goes_to_the_same_server(self, run: Run, photos: Photos, server: str) -> None:
        stored(run, photos)
        lines = run("review", "--server", server).stdout.splitlines()
        assert lines[-1].endswith(f" --dataset default --server {server}")

    def test_nothing_to_review(self, run: Run) -> None:
        assert run("review").stdout == "No label is suspicious.\n"
        assert run("review", "--mistakes").stdout == "There are no mistakes.\n"

    def test_a_kind_that_is_not_there(self, client: Client) -> None:
        with pytest.raises(InvalidInputError, match="suspicious, mistakes"):
            client.review_examples("default", kind="other")


class TestVersions:
    def test_two_versions_side_by_side(self, run: Run) -> None:
        result = run("compare", "default:1", "default:2")
        assert result.exit_code == 0, result.output
        rows = [line.split() for line in result.stdout.splitlines()]
        assert ["default:1", "default:2", "difference"] in rows
        assert ["recall", "of", "cat", "0.5000", "0.5000", "+0.0000"] in rows
        assert ["cross-validated", "calibration", "error", "0.1250", "0.1250", "+0.0000"] in rows
        assert "The intervals of accuracy overlap: the difference may be chance." in result.stdout.splitlines()
        assert len(run("compare", "default:1", "default", "--json").stdout.splitlines()) == 2

    @pytest.mark.parametrize("name", ["default:", "default:0", "default:x"])
    def test_a_version_is_a_number(self, run: Run, name: str) -> None:
        result = run("compare", name, "default:1")
        assert (result.exit_code, "give MODEL or MODEL:NUMBER" in result.stderr) == (2, True)

    def test_rollback(self, run: Run, fake: FakeClassifier) -> None:
        fake.default_version = 3
        assert run("rollback").stdout == "Model default now uses version 2; before, version 3.\n"
        assert run("rollback", "default", "--to", "5").exit_code == 0
        assert run("rollback", "--to", "3").stdout == "Model default uses version 3, as it did before.\n"
        assert json.loads(run("rollback", "--json").stdout)["before"] == 3
        assert [request.version for request in fake.messages("SetDefaultVersion")] == [2, 5, 3, 2]

    def test_there_is_nothing_before_the_first(self, run: Run) -> None:
        result = run("rollback")
        assert (result.exit_code, "Version 1 is the oldest of the model `default`" in result.stderr) == (2, True)


class TestThreshold:
    def test_what_is_rejected_is_unknown(self, run: Run, photos: Photos, fake: FakeClassifier) -> None:
        photo = next(path for path in photos.folder.rglob("*") if path.is_file())
        result = run("predict", photo, "--threshold", "0.9")
        label = photo.read_bytes().decode().split("-")[0]
        assert f"predicted as: unknown (the best guess is: {label} with score: 0.7500)" in result.stdout
        assert "unknown" not in run("predict", photo).stdout
        assert json.loads(run("predict", photo, "--threshold", "0.9", "--json").stdout)["rejected"]
        assert run("predict", photo, "--threshold", "1.5").exit_code == 2


class TestExport:
    def test_onnx_predicts_what_the_head_does(self, run: Run, client: Client, tmp_path: Path) -> None:
        target = tmp_path / "head.onnx"
        result = run("export", "default:2", "--to", target)
        assert (result.exit_code, result.stdout) == (0, f"Version 2 of model default written: {target}\n")
        session = onnxruntime.InferenceSession(target)
        vectors = np.array([[3, 4, 1], [0, 0, 2], [1, 0, 0]], np.float32)
        labels, found = session.run(["label", "probabilities"], {"vectors": vectors})
        expected = probabilities(client.get_head("default"), vectors)
        assert found == pytest.approx(expected, abs=1e-5)
        assert list(labels) == [("cat", "dog")[best] for best in expected.argmax(1)]
        assert session.get_modelmeta().custom_metadata_map["taps"] == "mixed4e+pool"

    def test_numpy_reads_it_without_pickle(self, run: Run, tmp_path: Path) -> None:
        target = tmp_path / "head.npz"
        assert run("export", "--to", target).exit_code == 0
        with np.load(target, allow_pickle=False) as arrays:
            assert arrays["weights"].shape == (3, 2)
            assert arrays["classes"].tolist() == ["cat", "dog"]
            assert (arrays["taps"].tolist(), arrays["dimensions"].tolist()) == (["mixed4e", "pool"], [2, 1])
            assert bool(arrays["unit_length"])

    @pytest.mark.parametrize(("missing", "written"), [("onnx", ["head.npz"]), ("numpy", [])])
    def test_what_is_missing_is_said(self, server: str, tmp_path: Path, missing: str, written: list[str]) -> None:
        program = f"import sys; sys.modules[{missing!r}] = None; from lastlayer.client.__main__ import main; main()"
        for name in ("head.onnx", "head.npz"):
            done = subprocess.run(
                [sys.executable, "-c", program, "export", "--to", tmp_path / name, "--server", server],
                capture_output=True,
                text=True,
                check=False,
            )
            if name not in written:
                assert done.returncode == 2
                assert done.stderr == (
                    "Error: Exporting needs libraries that are not installed: `pip install 'lastlayer[export]'` does"
                    " that.\n"
                )
        assert [path.name for path in tmp_path.iterdir()] == written

    def test_where_it_cannot_be_written(self, run: Run, tmp_path: Path) -> None:
        result = run("export", "--to", tmp_path / "head.pkl")
        assert (result.exit_code, "must end with .onnx or .npz" in result.stderr) == (2, True)
        result = run("export", "--to", tmp_path / "nowhere" / "head.npz")
        assert (result.exit_code, "cannot be written: No such file or directory." in result.stderr) == (2, True)


def test_a_refused_relabelling_is_one_sentence(run: Run, fake: FakeClassifier) -> None:
    fake.script["RelabelExamples"] = [InvalidFieldError("label", "The label is empty.")]
    result = run("relabel", "a.jpg", "--to", " ")
    assert (result.exit_code, result.stderr) == (2, "Error: The label is empty.\n")
