"""A command as a process of its own: its exit status, its output through a pipe, and what it left out of gRPC."""

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.client.conftest import Photos
from tests.integration.client.fake_classifier import FakeClassifier


def run(*command: object, server: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with these arguments; its output goes through pipes, and is buffered."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**environment, "LASTLAYER_SERVER": server},
    )


def test_output_is_whole_in_a_pipe(server: str, photos: Photos) -> None:
    done = run("-m", "lastlayer.client", "predict", *[photos.folder / "cat" / "cat0.jpg"] * 2000, server=server)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Image: cat0.jpg predicted as: cat with score: 0.7500\n" * 2000


def test_the_exit_status_is_kept(server: str, photos: Photos, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("bad")
    cat = photos.folder / "cat" / "cat0.jpg"
    for status, arguments in (
        (0, ["predict", cat]),
        (1, ["predict", tmp_path / "bad.jpg"]),
        (1, ["predict", cat, tmp_path / "none.jpg"]),
        (2, ["predict", cat, "--model", "none"]),
        (2, ["predict"]),
        (3, ["predict", cat, "--server", "127.0.0.1:1", "--timeout", "0.2"]),
    ):
        done = run("-m", "lastlayer.client", *arguments, server=server)
        assert done.returncode == status, (arguments, done.stderr)
        assert ("Image: cat0.jpg predicted" in done.stdout) == (cat in arguments and status < 2)


def test_the_asynchronous_api_works_after_a_command(server: str, fake: FakeClassifier) -> None:
    """What is compiled in gRPC keeps a stand-in for asyncio, by which it makes its futures and locks."""
    program = (
        "import sys; from lastlayer.client.__main__ import main\n"
        "main(['models', '--json'], standalone_mode=False)\n"
        "assert not {'asyncio', 'grpc.aio'} & set(sys.modules)\n"
        "import asyncio, grpc; from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc\n"
        "async def ask():\n"
        "    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:\n"
        "        stub = classifier_pb2_grpc.ClassifierStub(channel)\n"
        "        first = await stub.ListModels(classifier_pb2.ListModelsRequest())\n"
        "        requests = [classifier_pb2.PredictStreamRequest(request_id=i) for i in 'ab']\n"
        "        for request in requests: request.request.model = first.models[0].name\n"
        "        return [answer.request_id async for answer in stub.PredictStream(iter(requests))]\n"
        "print(*asyncio.run(ask()))"
    )
    done = run("-c", program, server, server=server)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "a b"
    assert fake.count("ListModels") == 2


def test_only_a_process_of_its_own_is_ended_at_once(server: str) -> None:
    program = (
        "import sys; from lastlayer.client.__main__ import main\n"
        "try:\n    main(ARGUMENTS)\nexcept SystemExit as end:\n    print('caught', end.code)"
    )
    own = run("-c", program.replace("ARGUMENTS", ""), "models", "--json", server=server)
    assert (own.returncode, own.stderr) == (0, "")
    assert own.stdout.startswith("{")
    assert "caught" not in own.stdout
    others = run("-c", program.replace("ARGUMENTS", "['models', '--json']"), server=server)
    assert (others.returncode, others.stdout) == (0, f"{own.stdout}caught 0\n")
