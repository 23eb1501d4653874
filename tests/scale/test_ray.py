"""The same over three nodes of Ray, of which one is lost in the middle."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from tests.scale.conftest import check_whole, command
from tests.scale.images import make_images

IMAGES = 6_000
SHARD_IMAGES = 100


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield found
    found.shutdown()


def test_a_node_is_lost_and_no_image_is(tmp_path: Path, environment: dict[str, str], cluster: Cluster) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    checksums = make_images(tmp_path / "images", IMAGES)
    out = tmp_path / "out"
    arguments = command(
        tmp_path / "images",
        "--to",
        out,
        "--shard-images",
        SHARD_IMAGES,
        "--ray",
        cluster.address,
        "--actors",
        "2:3",
        "--num-cpus",
        1,
    )
    log = tmp_path / "log"
    with log.open("w") as file:
        running = subprocess.Popen(arguments, env=environment, stderr=file, stdout=file)
        while running.poll() is None and len(list(out.glob("shard-*.parquet"))) < 5:
            time.sleep(0.05)
        assert running.poll() is None, log.read_text()
        cluster.remove_node(nodes[1], allow_graceful=False)
        assert running.wait(600) == 0, log.read_text()
    check_whole(out, checksums)
    assert "6,000 images in 60 shards" in log.read_text()
