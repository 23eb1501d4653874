"""Sortings without a server: what is in a file says what it is predicted as, up to the first `-`."""

from pathlib import Path

from lastlayer.client.commands.images.sorting.journal import Journal
from lastlayer.client.commands.images.sorting.photos import Photo, scan
from lastlayer.client.commands.images.sorting.scores import write_scores
from lastlayer.client.commands.images.sorting.sorter import Sorter, Wanted
from lastlayer.client.commands.images.sorting.undo import Undone, undo
from lastlayer.client.results.predictions import LabelScore, Prediction

PHOTOS = {"a.jpg": "cat-1", "b.jpg": "dog-1", "trip/a.jpg": "cat-2", "trip/x.jpg": "odd-1"}
SORTED = {"cat/a.jpg": "cat-1", "dog/b.jpg": "dog-1", "cat/a-2.jpg": "cat-2", "unknown/x.jpg": "odd-1"}


def write_photos(folder: Path) -> None:
    for name, content in PHOTOS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def tree(folder: Path) -> dict[str, str]:
    """Return what all files below a folder have in them."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


def sort(inbox: Path, out: Path, *, move: bool = False, version: int = 1) -> None:
    """Sort all photos of a folder, as the command does."""
    wanted = Wanted("pets", version, ("cat", "dog"), None, move)
    made = not out.is_dir()
    if made:
        out.mkdir()
    with Journal(out, "a") as journal:
        sorter = Sorter(out, journal, wanted, (), made=made)
        for name in scan(str(inbox), str(out)).photos:
            photo = Photo(str(inbox), name)
            if not sorter.is_done(photo):
                label = photo.open_bytes().read().decode().split("-")[0]
                known = label in wanted.classes
                scores = (LabelScore(label if known else "cat", 0.75),)
                sorter.sort(photo, Prediction(name, scores, "pets", version, rejected=not known))
        write_scores(out, journal)


def take_back(out: Path) -> Undone:
    with Journal(out, "r+") as journal:
        return undo(out, journal, lambda _: None)
