"""The Python client against a scripted classifier: what it sends, what it repeats, what it makes of answers."""

import io
import itertools
import re
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from lastlayer.classifier.domain.errors import DatasetNotTrainableError, FeaturizerUnavailableError, StoreFullError
from lastlayer.client import (
    BusyError,
    Client,
    DataError,
    DeadlineError,
    ExampleEvaluation,
    ExampleOutcome,
    FailedPreconditionError,
    InvalidInputError,
    LabelledImage,
    NotFoundError,
    ServerError,
    ServerUnavailableError,
    TrainProgress,
)
from lastlayer.client.transport.channel import Security
from lastlayer.rpc.errors import InvalidFieldError, NotReadyError, OverloadedError
from lastlayer.v1 import classifier_pb2, types_pb2
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.integration.client.fake_classifier.scripted import Broken, Hang


def labelled(count: int, label: str = "cat") -> list[LabelledImage]:
    return [LabelledImage(f"{label}-{number}".encode(), label, name=f"{label}{number}") for number in range(count)]


def contents_sent(fake: FakeClassifier, method: str = "AddExamples") -> list[bytes]:
    return [example.content for message in fake.messages(method) for example in message.examples if example.content]


class TestContract:
    def test_every_method_of_the_service_is_called(self, client: Client, fake: FakeClassifier, tmp_path: Path) -> None:
        client.add_examples(labelled(1))
        client.export_dataset("default", tmp_path / "features")
        client.add_features(tmp_path / "features")
        client.train()
        client.predict([b"cat-1"])
        list(client.predict_stream([b"cat-1"]))
        client.evaluate(labelled(1))
        client.get_served_backbone()
        list(client.list_datasets())
        client.get_dataset("default")
        client.delete_dataset("default")
        list(client.list_models())
        client.get_model("default")
        client.delete_model("default")
        list(client.list_versions("default"))
        client.get_version("default")
        client.delete_version("default", 1)
        client.set_default_version("default", 1)
        client.explain(b"cat-1")
        client.add_examples(labelled(1))
        key = next(iter(fake.store))
        list(client.list_examples("default"))
        client.relabel_examples("default", [key], "dog")
        client.remove_examples("default", [key])
        client.review_examples("default")
        client.get_head("default")
        client.embed([b"cat-1"])
        client.next_examples("default")
        client.similar("default", b"cat-1")
        client.map_examples("default")
        client.drift("default")
        methods = classifier_pb2.DESCRIPTOR.services_by_name["Classifier"].methods_by_name
        assert {name for name, _ in fake.calls} == set(methods)
        assert all(fake.deadlines[method] > 0 for method in methods), "every call has a deadline"


class TestAddExamples:
    def test_sends_digests_first_and_then_only_what_is_missing(self, client: Client, fake: FakeClassifier) -> None:
        client.add_examples(labelled(3))
        added = client.add_examples(labelled(5))
        assert (added.added, added.present) == (2, 3)
        assert contents_sent(fake) == [f"cat-{number}".encode() for number in range(5)]

    def test_states_views_and_refuses_others(self, client: Client, fake: FakeClassifier) -> None:
        client.add_examples(labelled(1), views=["whole", "whole-flipped"])
        client.add_examples(labelled(1))
        assert list(fake.messages("AddExamples")[0].views) == [types_pb2.VIEW_WHOLE, types_pb2.VIEW_WHOLE_FLIPPED]
        assert list(fake.messages("AddExamples")[-1].views) == []
        with pytest.raises(InvalidInputError, match="no view `round`; give some of crop, whole, crop-flipped"):
            client.add_examples(labelled(1), views=["round"])

    def test_bounds_messages_in_number_and_bytes(self, client: Client, fake: FakeClassifier) -> None:
        big = [LabelledImage(bytes([65 + index]) * 3_000_000, "cat") for index in range(3)]
        added = client.add_examples([*labelled(100), *big])
        assert added.added == 103
        messages = fake.messages("AddExamples")
        assert max(len(message.examples) for message in messages) == 16
        assert max(message.ByteSize() for message in messages) < 4_300_000

    def test_reads_a_stream_of_examples_as_it_goes(self, client: Client, fake: FakeClassifier) -> None:
        drawn = itertools.count()
        ahead = []

        def note(_: object) -> None:
            ahead.append(next(drawn))

        seen = 0

        def endless():
            nonlocal seen
            for example in labelled(500):
                seen += 1
                assert seen - len(ahead) < 300, "examples are held in memory"
                yield example

        assert client.add_examples(endless(), on_outcome=note).added == 500

    def test_a_broken_stream_is_resumed_with_what_is_missing(self, client: Client, fake: FakeClassifier) -> None:
        fake.break_after["AddExamples"] = [8, 0, 3]
        outcomes: list[ExampleOutcome] = []
        added = client.add_examples(labelled(100), on_outcome=outcomes.append)
        assert sorted(entry.image for entry in outcomes) == sorted(example.name for example in labelled(100))
        assert added.added + added.present == 100
        assert fake.count("AddExamples") == 4
        # Stored unheard at the break, and found by its digest: nothing travels twice.
        sent = contents_sent(fake)
        assert len(sent) == len(set(sent)) == 100

    def test_gives_up_where_the_server_stays_away(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["AddExamples"] = [Broken()] * 9
        with pytest.raises(ServerUnavailableError, match="cannot be reached"):
            client.add_examples(labelled(1))
        assert fake.count("AddExamples") == 5

    def test_waits_while_the_server_is_busy(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["AddExamples"] = [OverloadedError("Full.", retry_after_s=0.001)] * 8
        assert client.add_examples(labelled(1)).added == 1
        assert fake.count("AddExamples") == 9

    def test_tells_bad_images_conflicts_and_trimmed_labels_apart(self, client: Client, tmp_path: Path) -> None:
        added = client.add_examples(
            [
                LabelledImage(b"cat-1", " cat"),
                LabelledImage(b"cat-1", "dog", name="twice"),
                LabelledImage(b"bad", "cat", name="broken"),
                LabelledImage(tmp_path / "none.jpg", "cat", name="none.jpg", origin="tags.tsv, line 4"),
            ]
        )
        assert added.trimmed == 1
        [conflict] = added.conflicts
        assert (conflict.image, conflict.conflicting_labels) == ("twice", ("cat", "dog"))
        errors = {entry.image: entry.error for entry in added.failed}
        assert errors["broken"] is not None
        assert errors["broken"].reason == "IMAGE_UNDECODABLE"
        assert errors["none.jpg"] is not None
        assert errors["none.jpg"].message == f"tags.tsv, line 4: There is no file `{tmp_path / 'none.jpg'}`."

    def test_nothing_to_add_needs_no_call(self, client: Client, fake: FakeClassifier) -> None:
        assert client.add_examples([]).added == 0
        assert fake.calls == []

    def test_a_file_name_that_is_no_unicode_is_sent_as_text(self, client: Client, fake: FakeClassifier) -> None:
        client.add_examples([LabelledImage(b"cat-1", "cat", name="\udcff.jpg" + "é" * 2000)])
        assert len(fake.messages("AddExamples")[0].examples[0].id.encode()) <= 1024


class TestTrain:
    def test_reports_progress_and_returns_the_version(self, client: Client) -> None:
        events: list[TrainProgress] = []
        version = client.train("flowers", recipe="tutorial", on_progress=events.append)
        assert [event.message for event in events] == ["step 0", "step 0", "step 1"]
        assert (version.model, version.dataset, version.recipe) == ("flowers", "flowers", "tutorial")
        assert version.taps == ("mixed4e", "avgpool0")
        assert version.training_duration_s == 1.5
        assert version.cross_validation is not None
        assert version.cross_validation.confusion_matrix == ((0, 1), (2, 3))
        assert version.comparisons[0].recipe == "tutorial"

    def test_a_repeated_call_carries_the_same_key(self, client: Client, fake: FakeClassifier) -> None:
        fake.break_after["Train"] = [2, 1]
        client.train()
        first, second, third = (request.request_id for request in fake.messages("Train"))
        assert first == second == third != ""
        client.train()
        assert fake.messages("Train")[-1].request_id != first

    def test_what_cannot_be_trained_is_not_tried_again(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["Train"] = [DatasetNotTrainableError("There is one class.")]
        with pytest.raises(FailedPreconditionError, match=r"There is one class\.") as caught:
            client.train()
        assert caught.value.reason == "DATASET_NOT_TRAINABLE"
        assert isinstance(caught.value.__cause__, grpc.RpcError)
        assert fake.count("Train") == 1

    def test_an_unknown_recipe_is_refused(self, client: Client) -> None:
        with pytest.raises(InvalidInputError, match="auto, tutorial"):
            client.train(recipe="magic")

    def test_leaving_cancels_the_training(self, client: Client, fake: FakeClassifier) -> None:
        def leave(_: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            client.train(on_progress=leave)
        assert client.train().version == 1  # the connection lives on


class TestPredict:
    def test_takes_paths_bytes_and_open_files(self, client: Client, tmp_path: Path) -> None:
        path = tmp_path / "new.jpg"
        path.write_text("dog-1")
        predictions = client.predict([path, str(path), b"cat-1", io.BytesIO(b"dog-2"), tmp_path / "none.jpg", b"bad"])
        assert [prediction.label for prediction in predictions[:4]] == ["dog", "dog", "cat", "dog"]
        assert predictions[0].image == str(path)
        assert predictions[2].image == "images[2]"
        assert sum(entry.score for entry in predictions[0].scores) == 1
        missing, bad = (prediction.error for prediction in predictions[4:])
        assert missing is not None
        assert missing.reason == "FILE_NOT_FOUND"
        assert bad is not None
        assert bad.reason == "IMAGE_UNDECODABLE"
        with pytest.raises(type(bad), match="no image"):
            _ = predictions[5].label

    def test_a_single_image_is_a_mistake(self, client: Client) -> None:
        for image in ("new.jpg", b"cat-1", io.BytesIO(b"cat-1")):
            with pytest.raises(TypeError, match="list of images"):
                client.predict(image)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="list of images"):
            client.predict_stream("new.jpg")

    def test_repeats_what_may_be_repeated(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["Predict"] = [
            NotReadyError("Starting."),
            OverloadedError("Full.", retry_after_s=0.001),
            FeaturizerUnavailableError("somewhere"),
            Broken(),
            None,
        ]
        assert client.predict([b"cat-1"])[0].label == "cat"
        assert fake.count("Predict") == 5

    def test_a_busy_server_is_not_waited_for_beyond_the_time(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["Predict"] = [OverloadedError("Full.", retry_after_s=3600)]
        with pytest.raises(BusyError, match="Full") as caught:
            client.predict([b"cat-1"])
        assert caught.value.retry_after_s == 3600
        assert fake.count("Predict") == 1

    def test_large_requests_are_repeated_too(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["Predict"] = [NotReadyError("Starting.")]
        assert client.predict([b"cat-" + bytes(12_000_000)])[0].label == "cat"
        assert fake.count("Predict") == 2

    def test_a_file_that_fits_no_message_fails_alone(self, client: Client, tmp_path: Path) -> None:
        path = tmp_path / "huge.jpg"
        with path.open("wb") as file:
            file.truncate(33 * 1024 * 1024)
        huge, good = client.predict([path, b"cat-1"])
        assert huge.error is not None
        assert "31.9 MiB" in huge.error.message
        assert good.label == "cat"

    def test_fields_are_named(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["Predict"] = [InvalidFieldError("model", "A name has 1 to 63 characters.")]
        with pytest.raises(InvalidInputError) as caught:
            client.predict([b"cat-1"], model="")
        assert caught.value.field == "model"


class TestPredictStream:
    def test_keeps_the_order_of_the_images(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["reorder"] = []
        images = [f"{label}-{number}".encode() for number in range(40) for label in ("cat", "dog")]
        images[3] = b"bad"
        results = list(client.predict_stream(images))
        assert [result.image for result in results] == [f"images[{index}]" for index in range(80)]
        assert results[3].error is not None
        assert [result.label for result in results[4:]] == ["cat", "dog"] * 38
        assert max(len(message.request.images) for message in fake.messages("PredictStream")) == 16

    def test_goes_on_after_a_break_and_a_busy_answer(self, client: Client, fake: FakeClassifier) -> None:
        fake.break_after["PredictStream"] = [2, 0]
        fake.script["PredictStreamRequest"] = [None, OverloadedError("Full.", retry_after_s=0.001)]
        assert len(list(client.predict_stream(b"cat-1" for _ in range(100)))) == 100
        assert fake.count("PredictStream") == 3

    def test_a_request_that_fails_ends_it(self, client: Client) -> None:
        with pytest.raises(NotFoundError, match="no model `none`") as caught:
            list(client.predict_stream([b"cat-1"], model="none"))
        assert caught.value.metadata == {"resource": "model", "name": "none"}

    def test_leaving_early_leaves_nothing_behind(self, client: Client) -> None:
        stream = client.predict_stream(b"cat-1" for _ in itertools.count())
        assert next(stream).label == "cat"
        stream.close()  # type: ignore[attr-defined]
        assert client.predict([b"dog-1"])[0].label == "dog"


class TestEvaluate:
    def test_counts_what_is_in_no_metric(self, client: Client) -> None:
        heard: list[ExampleEvaluation] = []
        examples = [
            *labelled(40),
            LabelledImage(b"cat-1", "cow "),
            LabelledImage(b"bad", "cat", name="bad"),
            LabelledImage("none.jpg", "cat"),
        ]
        evaluation = client.evaluate(examples, on_example=heard.append)
        assert evaluation.metrics.example_count == 40
        assert evaluation.unknown_labels == {"cow": 1}
        assert {entry.image for entry in evaluation.failed} == {"bad", "none.jpg"}
        assert evaluation.trimmed == 1
        assert len(heard) == 43

    def test_starts_over_after_a_break_and_tells_each_example_once(self, client: Client, fake: FakeClassifier) -> None:
        fake.break_after["Evaluate"] = [5, 0]
        heard: list[ExampleEvaluation] = []
        evaluation = client.evaluate([*labelled(100), LabelledImage(b"bad", "cat")], on_example=heard.append)
        assert evaluation.metrics.example_count == 100
        assert len(evaluation.failed) == 1
        assert len(heard) == 101
        assert fake.count("Evaluate") == 3

    def test_nothing_readable_is_an_error(self, client: Client) -> None:
        with pytest.raises(DataError) as caught:
            client.evaluate([LabelledImage("none.jpg", "cat"), LabelledImage("no.jpg", "cat")])
        assert caught.value.problems == ("There is no file `none.jpg`.", "There is no file `no.jpg`.")
        with pytest.raises(InvalidInputError, match="no examples"):
            client.evaluate([])


class TestResources:
    def test_lists_run_over_all_pages(self, client: Client, fake: FakeClassifier) -> None:
        fake.models = [f"m{number}" for number in range(5)]
        assert [model.name for model in client.list_models()] == fake.models
        assert [dataset.name for dataset in client.list_datasets()] == fake.models
        assert [version.version for version in client.list_versions("m1")] == [5, 4, 3, 2, 1]
        assert fake.count("ListModels") == fake.count("ListDatasets") == fake.count("ListModelVersions") == 3

    def test_get_and_set(self, client: Client) -> None:
        assert client.get_model("default").classes == ("cat", "dog")
        assert client.get_dataset("default").classes == {"cat": 3}
        assert client.get_version("default", 4).version == 4
        assert client.set_default_version("default", 3).default_version == 3

    def test_deleting_is_not_repeated(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["DeleteModel"] = [Broken()]
        with pytest.raises(ServerUnavailableError):
            client.delete_model("default")
        assert fake.count("DeleteModel") == 1

    def test_a_full_disk_is_the_servers_failure_and_not_waited_for(self, client: Client, fake: FakeClassifier) -> None:
        fake.script["SetDefaultVersion"] = [StoreFullError("store.db")]
        with pytest.raises(ServerError, match="disk is full") as caught:
            client.set_default_version("default", 1)
        assert not isinstance(caught.value, BusyError)
        assert fake.count("SetDefaultVersion") == 1


class TestServer:
    def test_status(self, client: Client) -> None:
        status = client.status()
        assert status.serving
        names = ("server", "lastlayer.v1.Classifier", "featurizer")
        assert status.services == dict.fromkeys(names, "SERVING")
        assert status.backbone == "tiny"

    def test_status_without_a_featurizer(self, fake: FakeClassifier) -> None:
        with running(fake, serving=lambda name: "features" not in name) as address, Client(address) as client:
            status = client.status()
        assert not status.serving
        assert status.services["featurizer"] == "NOT_SERVING"
        assert status.backbone == "tiny"

    def test_status_of_a_server_that_is_starting(self, fake: FakeClassifier) -> None:
        with running(fake, serving=lambda name: name == "") as address, Client(address) as client:
            status = client.status()
        assert not status.serving
        assert status.services["lastlayer.v1.Classifier"] == "NOT_SERVING"

    def test_a_server_of_something_else(self) -> None:
        server = grpc.server(futures.ThreadPoolExecutor(1), options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            with Client(f"127.0.0.1:{port}") as client:
                assert client.status().services["lastlayer.v1.Classifier"] == "SERVICE_UNKNOWN"
                with pytest.raises(ServerError, match="is no classifier, or an older one"):
                    client.train()
        finally:
            server.stop(None).wait()

    def test_a_proxy_is_not_asked_for_this_machine(self, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        with Client(server) as client:
            assert client.status().serving

    def test_no_answer_in_time(self, client: Client, fake: FakeClassifier) -> None:
        fake.script = {method: [Hang()] for method in ("GetModel", "AddExamples", "Train", "PredictStream")}
        with Client(client.server, timeout_s=0.3) as hasty:
            for call in (
                lambda: hasty.get_model("default"),
                lambda: hasty.add_examples(labelled(1)),
                lambda: hasty.train(timeout_s=0.3),
                lambda: list(hasty.predict_stream([b"cat-1"])),
            ):
                with pytest.raises(DeadlineError, match="did not answer in time"):
                    call()

    def test_a_stream_outlives_the_deadline_of_its_calls(self, server: str, fake: FakeClassifier) -> None:
        fake.script["AddExamples"] = [Broken(grpc.StatusCode.DEADLINE_EXCEEDED)]
        fake.script["PredictStream"] = [Broken(grpc.StatusCode.DEADLINE_EXCEEDED)]
        with Client(server) as client:
            assert client.add_examples(labelled(3)).added == 3
            assert len(list(client.predict_stream([b"cat-1"]))) == 1

    def test_a_server_is_host_and_port(self) -> None:
        for server in ("localhost", "", ":50052", "localhost:port", "one:1,two:1", "10.0.0.1:1,"):
            with pytest.raises(InvalidInputError, match=f"`{re.escape(server)}` is no server; give it as HOST:PORT"):
                Client(server)
        with pytest.raises(InvalidInputError, match="timeout"):
            Client(timeout_s=0)

    def test_several_servers_have_no_certificate_in_common(self) -> None:
        with pytest.raises(InvalidInputError, match="certificates are of names: give one NAME:PORT"):
            Client("10.0.0.1:1,10.0.0.2:1", security=Security())

    def test_users_may_bring_their_own_channel(self, server: str) -> None:
        opened = []

        def open_channel(address: str, security: Security | None) -> grpc.Channel:
            opened.append(address)
            return grpc.insecure_channel(server)

        with Client("somewhere:1", open_channel=open_channel) as client:
            assert client.get_model("default").name == "default"
        assert opened == ["somewhere:1"]
