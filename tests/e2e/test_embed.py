"""Vectors that `featurizer embed` wrote, and vectors that the service computed: the same dataset, the same head."""

import os
import subprocess
from pathlib import Path

import pytest

from lastlayer.client import Client
from lastlayer.local.services import SCRIPTS, Service
from tests.e2e.conftest import json_lines, run_client, running_classifier
from tests.e2e.test_move import write_photos


@pytest.mark.long
def test_both_ways_train_to_the_same_head(featurizer: Service, tiny_backbone: Path, tmp_path: Path) -> None:
    photos, features = tmp_path / "photos", tmp_path / "features"
    write_photos(photos)
    command = [str(SCRIPTS / "featurizer"), "embed", str(photos), "--to", str(features), "--label-from", "folder"]
    environment = {**os.environ, "LASTLAYER_BACKBONE": str(tiny_backbone), "LASTLAYER_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert "oneDNN" not in done.stderr
    with (
        running_classifier(featurizer, tmp_path / "by service") as one,
        running_classifier(featurizer, tmp_path / "by embed") as other,
    ):
        json_lines(run_client(one.address, "add", str(photos), "--json"))
        [added] = json_lines(run_client(other.address, "add", "--features", str(features), "--json"))
        assert (added["added"], added["present"], added["failed"]) == (12, 0, [])
        [again] = json_lines(run_client(other.address, "add", "--features", str(features), "--json"))
        assert (again["added"], again["present"]) == (0, 12)
        heads = []
        for address in (one.address, other.address):
            json_lines(run_client(address, "train", "--json"))
            with Client(address) as client:
                heads.append(client.get_head("default"))
        assert heads[0].weights == heads[1].weights
        assert heads[0].biases == heads[1].biases
        # What has no pictures is reviewed and reported all the same.
        assert run_client(other.address, "review").returncode == 0
        assert run_client(other.address, "report", "--output", str(tmp_path / "report.html")).returncode == 0
