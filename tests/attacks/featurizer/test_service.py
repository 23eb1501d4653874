"""Hostile files by the dozen, sent to a featurizer of these tests' own: others are served, and it stops."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from PIL import Image

from lastlayer.local.services import Service
from lastlayer.rpc.channel import channel_options
from lastlayer.rpc.status import read_error
from lastlayer.v1 import featurizer_pb2_grpc
from tests.attacks.featurizer import files
from tests.attacks.featurizer.service import LONG_S, processes_of, reasons, request_of, running_featurizer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured and limited on Linux alone")

SLOW = files.bmp(65_535, 900, b"\x01\x05\0\0" * 900, compression=1)
PHOTO = files.saved(Image.radial_gradient("L"), "JPEG")


@pytest.fixture(scope="module")
def featurizer(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("hostile")
    settings = {"FEATURIZER_DECODE_THREADS": "2", "FEATURIZER_GRACE_SECONDS": "1"}
    with running_featurizer(folder, tiny_backbone, **settings) as service:
        yield service


@pytest.fixture(scope="module")
def stub(featurizer: Service) -> Iterator[featurizer_pb2_grpc.FeaturizerStub]:
    with grpc.insecure_channel(featurizer.address, options=channel_options()) as channel:
        yield featurizer_pb2_grpc.FeaturizerStub(channel)


@pytest.mark.long
def test_others_are_served_while_images_run_away(featurizer: Service, stub: featurizer_pb2_grpc.FeaturizerStub) -> None:
    attack = stub.Featurize.future(request_of(*[SLOW] * 20), timeout=LONG_S)
    while len(processes_of(featurizer)) < 2:  # one of them is being decoded
        assert not attack.done()
        time.sleep(0.01)
    answered = [reasons(stub, PHOTO) for _ in range(30)]
    assert not attack.done()
    assert answered == [[""]] * 30
    attack.cancel()


@pytest.mark.long
def test_a_request_full_of_hostile_files_costs_nobody_anything(stub: featurizer_pb2_grpc.FeaturizerStub) -> None:
    one_line = files.bmp_of_one_line(64_000_000)
    assert reasons(stub, *[one_line] * 256) == [files.TOO_LARGE] * 256
    assert reasons(stub, PHOTO) == [""]


@pytest.mark.long
def test_it_stops_in_time_and_leaves_no_process_behind(
    featurizer: Service, stub: featurizer_pb2_grpc.FeaturizerStub
) -> None:
    """The last test of these: afterwards there is no featurizer."""
    with ThreadPoolExecutor(1) as attacker:
        attack = attacker.submit(reasons, stub, *[SLOW] * 200)
        while len(processes := processes_of(featurizer)) < 2:
            assert not attack.done()
            time.sleep(0.01)
        featurizer.started.send_signal(signal.SIGTERM)
        assert featurizer.started.wait(LONG_S) == 0
        with pytest.raises(grpc.RpcError) as caught:
            attack.result()
    assert read_error(caught.value).code in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
