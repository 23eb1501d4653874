"""A run that is killed over and over goes on where it stopped: each image once, and little is done twice."""

import random
import subprocess
import time
from pathlib import Path

from tests.scale.conftest import check_whole, command
from tests.scale.images import make_images

IMAGES = 20_000
SHARD_IMAGES = 500
KILLS = 10


def test_killed_ten_times_at_random_moments(tmp_path: Path, environment: dict[str, str]) -> None:
    checksums = make_images(tmp_path / "images", IMAGES)
    out = tmp_path / "out"
    arguments = command(tmp_path / "images", "--to", out, "--shard-images", SHARD_IMAGES)
    seeded = random.Random(3)
    written: set[tuple[str, int]] = set()
    for _ in range(KILLS):
        before = len(shards(out))
        running = subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL)
        # Not before it is at work, so that each kill falls into a shard; and a few shards later.
        wanted = before + seeded.randint(0, 2)
        while running.poll() is None and len(shards(out)) <= wanted:
            time.sleep(0.01)
            written |= shards(out)
        time.sleep(seeded.uniform(0, 1))
        written |= shards(out)
        running.kill()
        running.wait()
    assert not (out / "_manifest.json").exists()
    subprocess.run(arguments, env=environment, check=True, stderr=subprocess.DEVNULL)
    written |= shards(out)
    check_whole(out, checksums)
    # A shard that was in its place, but whose note was not, may be written once more for each kill.
    assert len(written) <= IMAGES // SHARD_IMAGES + KILLS
    # What the kills left unfinished is no part of the result.
    assert {file.suffix for file in out.iterdir() if not file.name.startswith((".", "_"))} == {".parquet"}


def shards(out: Path) -> set[tuple[str, int]]:
    """Return the shards in the folder, each with the time of its writing."""
    return {(file.name, file.stat().st_mtime_ns) for file in out.glob("shard-*.parquet")}
