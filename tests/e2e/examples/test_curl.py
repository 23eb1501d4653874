"""examples/curl, by the studio's door."""

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.examples.conftest import World
from tests.integration.studio.conftest import serving
from tests.programs import run


@pytest.mark.long
def test_it_adds_trains_and_predicts(world: World, copied: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("NOT RUN: examples/curl needs curl, which is not installed")
    with serving(world.pair.classifier) as studio:
        script = ["sh", "train-and-predict.sh", str(world.photos), str(world.new), "by-curl", f"http://{studio}"]
        printed = run(script, cwd=copied / "curl")
        refused = run([*script[:3], str(copied / "README.md"), *script[4:]], cwd=copied / "curl", check=False)
    events, _, prediction = printed.rpartition("\n\n")
    assert "event: version" in events
    assert json.loads(prediction)["results"][0]["label"] == "blue"
    assert "IMAGE_UNDECODABLE" in refused
    with world.pair.client() as client:
        assert client.get_dataset("by-curl").example_count == sum(1 for _ in world.photos.rglob("*.*"))
