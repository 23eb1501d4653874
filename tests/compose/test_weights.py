"""Where a featurizer's container has its network from: fetched into the volume by the first start, or baked in."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.compose.engine import Engine
from tests.compose.project import POLL_S, ROOT, Project

Record = Callable[[str, object], None]

BACKBONE = "xception"
"""It comes from a package index, which the containers can reach wherever the images can be built."""


@pytest.fixture
def alone(container_engine: Engine) -> Iterator[Project]:
    """A project of its own, without a mirror."""
    settings = {"LASTLAYER_BACKBONE": BACKBONE}
    project = Project(container_engine, container_engine.composes[0], settings, name="lastlayer-test-weights")
    project.remove()
    yield project
    project.remove()


@pytest.fixture
def baked(container_engine: Engine) -> Iterator[str]:
    """A container without any network, of an image with baked-in weights."""
    image = "lastlayer-featurizer-baked"
    build = ["build", "--quiet", "--file", "deploy/featurizer.Dockerfile", "--tag", image]
    container_engine.docker(*build, "--build-arg", f"BAKE_BACKBONE={BACKBONE}", str(ROOT), timeout_s=1800)
    confined = ["--read-only", "--tmpfs", "/tmp", "--network", "none"]
    container = container_engine.docker("run", "--detach", *confined, image).splitlines()[-1]
    yield container
    container_engine.docker("rm", "--force", container)
    container_engine.docker("rmi", "--force", image)


def test_first_start_fetches_the_weights(alone: Project, record_property: Record) -> None:
    alone.compose("up", "--detach", "featurizer", timeout_s=1800)
    alone.wait_until_healthy("featurizer")
    progress = [line for line in alone.logs("featurizer", 1000).splitlines() if " MB" in line]
    record_property("result", f"{len(progress)} lines of progress")
    assert any("% of" in line for line in progress), alone.logs("featurizer", 1000)
    alone.compose("down")
    alone.compose("up", "--detach", "featurizer")
    alone.wait_until_healthy("featurizer")
    assert " MB" not in alone.logs("featurizer", 1000)


def test_baked_image_needs_no_network(baked: str, container_engine: Engine) -> None:
    deadline = time.monotonic() + 300
    probe = ["exec", baked, "sh", "-c", "python -m lastlayer.rpc.probe 127.0.0.1:50051 && echo serving"]
    while "serving" not in container_engine.docker(*probe, check=False):
        assert time.monotonic() < deadline, container_engine.docker("logs", baked)
        time.sleep(POLL_S)
    assert " MB" not in container_engine.docker("logs", baked)
