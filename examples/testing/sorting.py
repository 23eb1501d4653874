"""Sorts photos into folders by what a model says they show."""

import shutil
from pathlib import Path

from lastlayer.client import Client


def sort(client: Client, photos: Path, into: Path, *, model: str) -> list[Path]:
    """Copy each photo of a folder into `into/LABEL`, or `into/unknown` where the model names none.

    Returns those that could not be predicted, which are left where they are.
    """
    files = sorted(path for path in photos.iterdir() if path.is_file())
    failed = []
    for file, prediction in zip(files, client.predict(files, model=model), strict=True):
        if prediction.error is not None:
            failed.append(file)
            continue
        folder = into / ("unknown" if prediction.rejected else prediction.label)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder)
    return failed
