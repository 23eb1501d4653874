"""`make up` returns once `client status` says that all is served, ten times in a row."""

import os
import subprocess
from pathlib import Path

from lastlayer.local.services import free_port
from lastlayer.testing.tiny_backbone import write_tiny_backbone
from tests.markdown import ROOT

TIMES = 10


def test_up_and_status_ten_times_in_a_row(tmp_path: Path) -> None:
    server = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "LASTLAYER_HOME": str(tmp_path / "home"),
        "LASTLAYER_BACKBONE": str(write_tiny_backbone(tmp_path / "network")),
        "FEATURIZER_ADDRESS": f"127.0.0.1:{free_port()}",
        "CLASSIFIER_ADDRESS": server,
        "LASTLAYER_SERVER": server,
    }

    def shell(script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )

    try:
        for time in range(TIMES):
            # Not what installs: only the recipe of `up`.
            done = shell("make up --assume-old=install --assume-old=.venv/runs && .venv/bin/client status")
            assert done.returncode == 0, f"the {time + 1}th time: {done.stdout}{done.stderr}"
            assert "NOT_SERVING" not in done.stdout
            assert shell(".venv/bin/lastlayer down").returncode == 0
    finally:
        shell(".venv/bin/lastlayer down")
