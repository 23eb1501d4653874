"""Faults that befall running services: full and read-only disks, damage, SIGTERM under load, clients that stall."""

import os
import signal
import sqlite3
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from lastlayer.client import Client, ServerError
from lastlayer.client.data.images import LabelledImage
from lastlayer.client.transport.channel import open_channel
from lastlayer.local.services import Service, free_port, running_services
from lastlayer.rpc.probe import is_serving
from lastlayer.rpc.status import read_error
from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from tests.e2e.conftest import client_command, json_lines, run_client, running_classifier
from tests.e2e.test_processes import COLOURS, write_photos
from tests.programs import can_use_debian, debian_package, until

pytestmark = pytest.mark.long


def metric(address: str, name: str) -> float:
    """Return the sum of a metric's samples."""
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def labelled(folder: Path) -> list[LabelledImage]:
    return [LabelledImage(path, path.parent.name) for path in sorted(folder.rglob("*.*"))]


def repeat(work: Callable[[], object]) -> None:
    for _ in range(40):
        work()


class Disk:
    """A file system of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mount("size=2m", "tmpfs")

    def _mount(self, options: str, *what: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, *(what or ("tmpfs",)), str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(done.stderr)

    def become(self, options: str) -> None:
        """Change how large it is, or whether it can be written to."""
        self._mount(f"remount,{options}")

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("NO DISK WAS FILLED: only root can mount one")
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mounted = Disk(folder)
    except OSError as error:
        pytest.skip(f"NO DISK WAS FILLED: none can be mounted here: {error}")
    yield mounted
    mounted.remove()


def test_a_full_disk_is_said_and_with_room_all_goes_on(disk: Disk, tmp_path: Path, featurizer: Service) -> None:
    write_photos(tmp_path / "photos", each=150)
    photos = labelled(tmp_path / "photos")
    with (
        running_classifier(featurizer, disk.folder) as classifier,
        Client(classifier.address, timeout_s=60) as client,
    ):
        client.add_examples(photos[::50])
        client.train()
        datasets = iter(range(40))
        with pytest.raises(ServerError, match="cannot be written: its disk is full") as caught:
            repeat(lambda: client.add_examples(photos, dataset=f"d{next(datasets)}"))
        assert (caught.value.code, caught.value.reason) == ("RESOURCE_EXHAUSTED", "STORE_FULL")
        assert str(disk.folder) in str(caught.value)
        with pytest.raises(ServerError, match="its disk is full"):
            repeat(client.train)
        # It lives, and what needs no room goes on.
        assert is_serving(classifier.address)
        [prediction] = client.predict([photos[0].image])
        assert prediction.label in COLOURS
        before = client.get_dataset("default").example_count

        disk.become("size=64m")
        client.add_examples(photos)
        assert client.get_dataset("default").example_count == len(photos) > before
        assert client.train().version > 1


def test_a_disk_that_becomes_read_only_is_said_and_with_it_mended_all_goes_on(
    disk: Disk, tmp_path: Path, featurizer: Service
) -> None:
    write_photos(tmp_path / "photos", each=6)
    photos = labelled(tmp_path / "photos")
    disk.become("size=64m")
    store = tmp_path / "disk" / "store"
    with running_classifier(featurizer, disk.folder) as classifier:
        with Client(classifier.address, timeout_s=60) as client:
            client.add_examples(photos[::2])
            client.train()
        # The log of this service is on the disk too and keeps it busy: the store's folder alone is made read-only.
        subprocess.run(["mount", "--bind", str(store), str(store)], check=True)
        try:
            classifier.stop()
            subprocess.run(["mount", "-o", "remount,bind,ro", str(store)], check=True)
            classifier.start()
            status = wait_for_end(classifier)
            assert status == 1
            assert "cannot be written: it is read-only" in classifier.log.read_text()
        finally:
            subprocess.run(["umount", "--lazy", str(store)], check=True)
        classifier.start()
        classifier.wait_until_serving(60)
        with Client(classifier.address, timeout_s=60) as client:
            client.add_examples(photos)
            assert client.get_dataset("default").example_count == len(photos)


def wait_for_end(service: Service) -> int:
    assert service.process is not None
    return service.process.wait(60)


def test_a_damaged_head_is_never_served_and_other_models_are(classifier: Service, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", each=3)
    photos = labelled(tmp_path / "photos")
    with Client(classifier.address) as client:
        client.add_examples(photos)
        for model in ("sound", "damaged"):
            client.train(model, dataset="default")
        with sqlite3.connect(tmp_path / "state/store/lastlayer.db") as store:
            [(key, head)] = store.execute(
                "SELECT versions.id, head FROM versions JOIN models ON models.id = model_id WHERE name = 'damaged'"
            ).fetchall()
            flipped = bytearray(head)
            flipped[len(head) // 2] ^= 0x10
            store.execute("UPDATE versions SET head = ? WHERE id = ?", (bytes(flipped), key))
        store.close()
        with pytest.raises(ServerError, match="damaged") as caught:
            client.predict([photos[0].image], model="damaged")
        assert (caught.value.code, caught.value.reason) == ("DATA_LOSS", "STORE_CORRUPT")
        [prediction] = client.predict([photos[0].image], model="sound")
        assert prediction.label == photos[0].label


def test_a_damaged_store_ends_the_start_or_is_said(classifier: Service, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", each=20)
    with Client(classifier.address) as client:
        client.add_examples(labelled(tmp_path / "photos"))
    assert classifier.stop() == 0
    file = tmp_path / "state/store/lastlayer.db"
    content = bytearray(file.read_bytes())
    content[0:100] = os.urandom(100)
    file.write_bytes(content)
    classifier.start()
    assert wait_for_end(classifier) == 1
    log = classifier.log.read_text()
    assert f"The store `{file}` is damaged; restore it from a copy, or move it away to begin anew." in log
    assert "Traceback" not in log


def test_sigterm_under_load_lets_calls_in_flight_finish_and_refuses_others(tmp_path: Path, featurizer: Service) -> None:
    """The featurizer's calls, which take a while: the images are large."""
    Image.new("RGB", (6000, 6000), "red").save(tmp_path / "large.png")
    content = (tmp_path / "large.png").read_bytes()
    metrics = f"127.0.0.1:{free_port()}"
    write_photos(tmp_path / "photos", each=2)
    calls = 12
    with running_classifier(featurizer, tmp_path / "state", CLASSIFIER_METRICS_ADDRESS=metrics) as classifier:
        json_lines(run_client(classifier.address, "train", str(tmp_path / "photos"), "--json"))
        with open_channel(classifier.address) as channel, ThreadPoolExecutor(calls) as threads:
            stub = classifier_pb2_grpc.ClassifierStub(channel)
            request = classifier_pb2.PredictRequest(model="default", images=[types_pb2.Image(content=content)])
            in_flight = [threads.submit(stub.Predict, request, timeout=120) for _ in range(calls)]
            until(lambda: metric(metrics, "grpc_server_in_flight") == calls)
            assert classifier.process is not None
            classifier.process.send_signal(signal.SIGTERM)
            until(lambda: "stopping" in classifier.log.read_text())
            with open_channel(classifier.address) as late, pytest.raises(grpc.RpcError) as refused:
                classifier_pb2_grpc.ClassifierStub(late).Predict(request, timeout=120)
            # gRPC itself cancels a call that comes in the very moment in which the server closes.
            assert read_error(refused.value).code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
            answers = [call.result() for call in in_flight]
            assert [answer.results[0].prediction.scores[0].label for answer in answers] == ["red"] * calls
            assert wait_for_end(classifier) == 0


def test_a_client_that_stalls_or_vanishes_neither_swells_the_service_nor_slows_others(
    tmp_path: Path, featurizer: Service
) -> None:
    random = np.random.default_rng(3)
    Image.fromarray(random.integers(0, 256, (600, 600, 3)).astype(np.uint8)).save(tmp_path / "photo.png")
    content = (tmp_path / "photo.png").read_bytes()
    metrics = f"127.0.0.1:{free_port()}"
    write_photos(tmp_path / "photos", each=2)
    offered = 400  # of 1 MB each
    with running_classifier(featurizer, tmp_path / "state", CLASSIFIER_METRICS_ADDRESS=metrics) as classifier:
        json_lines(run_client(classifier.address, "train", str(tmp_path / "photos"), "--json"))
        taken = 0
        stopped = threading.Event()

        def requests() -> Iterator[classifier_pb2.PredictStreamRequest]:
            nonlocal taken
            for _ in range(offered):
                taken += 1
                # Answers of many scores would be needed to fill the way back; unread requests fill the way there.
                yield classifier_pb2.PredictStreamRequest(
                    request_id="x" * 1000,
                    request=classifier_pb2.PredictRequest(
                        model="default", images=[types_pb2.Image(content=content, id="i" * 1000)]
                    ),
                )
            stopped.wait()  # and never ends

        before = metric(metrics, "process_resident_memory_bytes")
        with open_channel(classifier.address) as channel, Client(classifier.address) as other:
            answers = classifier_pb2_grpc.ClassifierStub(channel).PredictStream(requests(), timeout=120)
            for _ in range(30):  # nobody reads `answers`
                [prediction] = other.predict([tmp_path / "photo.png"])
                assert prediction.label in COLOURS
            assert taken < offered  # what is not read is not taken
            assert metric(metrics, "process_resident_memory_bytes") - before < 200e6
            answers.cancel()
            stopped.set()
            until(lambda: metric(metrics, "grpc_server_in_flight") == 0)

        # A client that is killed in the middle of a stream: what it left is dropped.
        write_photos(tmp_path / "many", each=30, side=600)
        command = client_command(classifier.address, "add", str(tmp_path / "many"), "--dataset", "many")
        with subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as vanishing:
            until(lambda: metric(metrics, "grpc_server_in_flight") > 0)
            vanishing.kill()
        until(lambda: metric(metrics, "grpc_server_in_flight") == 0)
        [after] = json_lines(run_client(classifier.address, "predict", str(tmp_path / "photo.png"), "--json"))
        assert after["label"] in COLOURS


def test_the_client_waits_for_a_busy_featurizer(tmp_path: Path, tiny_backbone: Path) -> None:
    """Ten times as many large uploads as fit are refused at first, and all done within their deadline."""
    random = np.random.default_rng(4)
    Image.fromarray(random.integers(0, 256, (1000, 1000, 3)).astype(np.uint8)).save(tmp_path / "large.png")
    environment = {
        "LASTLAYER_BACKBONE": str(tiny_backbone),
        "LASTLAYER_HOME": str(tmp_path / "home"),
        "FEATURIZER_MAX_IMAGES_PER_REQUEST": "2",
        "FEATURIZER_MAX_QUEUED_IMAGES": "2",
    }
    write_photos(tmp_path / "photos", each=2)
    with running_services(tmp_path / "state", environment=environment) as (featurizer, classifier):
        json_lines(run_client(classifier.address, "train", str(tmp_path / "photos"), "--json"))

        def predict(_: int) -> str:
            with Client(classifier.address, timeout_s=120) as client:
                return client.predict([tmp_path / "large.png"])[0].label

        def ask(_: int) -> str:
            image = types_pb2.Image(content=(tmp_path / "large.png").read_bytes())
            with open_channel(classifier.address) as channel:
                try:
                    request = classifier_pb2.PredictRequest(model="default", images=[image])
                    classifier_pb2_grpc.ClassifierStub(channel).Predict(request, timeout=120)
                except grpc.RpcError as error:
                    details = read_error(error)
                    assert details.retry_after_s is not None
                    return details.reason
            return "done"

        with ThreadPoolExecutor(20) as threads:
            once = list(threads.map(ask, range(40)))
            patient = list(threads.map(predict, range(20)))
        assert set(once) == {"OVERLOADED", "done"}
        assert set(patient) <= set(COLOURS)
        assert is_serving(featurizer.address)


def test_a_clock_that_jumps_changes_nothing(classifier: Service, tmp_path: Path) -> None:
    """The classifier's, by ten years, forwards and backwards, while it runs; the featurizer asks for no date."""
    if not can_use_debian():
        pytest.skip("NO CLOCK WAS MOVED: libfaketime comes out of a Debian package")
    package = debian_package("libfaketime", tmp_path, "bookworm")
    [library] = package.rglob("libfaketimeMT.so.1")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    assert classifier.stop() == 0
    classifier.environment = {
        **classifier.environment,
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else a wait of Python's for its lock returns at once, a hundred thousand times a second.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
    classifier.start()
    classifier.wait_until_serving(60)
    write_photos(tmp_path / "photos", each=8)
    photos = labelled(tmp_path / "photos")
    with Client(classifier.address, timeout_s=60) as client:
        years = set()
        for number, shift in enumerate(("+0", "+3650d", "-3650d"), start=1):
            clock.write_text(shift)
            added = client.add_examples(photos[number::3])
            assert (added.added, added.failed) == (len(photos[number::3]), ())
            version = client.train()
            assert version.version == number
            years.add(version.create_time.year)
            [prediction] = client.predict([photos[0].image])
            assert (prediction.label, prediction.version) == (photos[0].label, number)
        assert len(years) == 3
        assert [version.version for version in client.list_versions("default")] == [3, 2, 1]
