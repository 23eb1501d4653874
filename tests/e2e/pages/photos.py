"""What the pages' commands take: photos in folders, and files beside them, all drawn."""

import json
import shutil
import uuid
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

FLOWERS: Final = {"daisy": (235, 235, 235), "roses": (210, 30, 40), "sunflowers": (240, 200, 30)}
TUTORIAL: Final = {"food": (60, 140, 50), "toy": (150, 90, 40), "appliance": (190, 190, 200)}
_TRAINED: Final = {
    "food": ("broccoli.jpg", "pizza.jpg", "pizza2.jpg"),
    "toy": ("teddy2.jpg", "teddy3.jpg", "teddy4.jpg"),
    "appliance": ("toaster.jpg", "toaster2.png"),
}
_HELD_OUT: Final = {"food": ("broccoli2.jpg", "pizza3.jpg"), "toy": ("teddy6.jpg",)}
_SIDE: Final = 64
_EACH: Final = 22
_EXPORTED: Final = 8


def write_photos(folder: Path) -> None:
    """Fill a folder: `photos/` with a sub-folder a flower, `tulips/`, `held-out.tsv`, `assets/`, and single photos.

    `assets/` is like that of the ML.NET tutorial, with its names and the blanks behind its labels.
    `img12.jpg` is one of `photos/roses`; `strange.jpg` is like none of them. `project.tm` and `roses-samples.zip` are
    what Teachable Machine would export of some of them.
    """
    random = np.random.default_rng(0)

    def draw(path: Path, colour: tuple[int, int, int]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The brightness differs from photo to photo, so that they lie along a line, as photos of one kind do.
        pixels = np.array(colour) * random.uniform(0.7, 1) + random.integers(-20, 20, (_SIDE, _SIDE, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)

    for label, colour in FLOWERS.items():
        for number in range(_EACH):
            draw(folder / "photos" / label / f"{label}-{number}.jpg", colour)
    for number in range(6):
        draw(folder / "tulips" / f"tulip-{number}.jpg", (150, 40, 180))
    draw(folder / "new.jpg", FLOWERS["roses"])
    draw(folder / "other.png", FLOWERS["daisy"])
    draw(folder / "strange.jpg", (20, 90, 255))
    shutil.copyfile(folder / "photos/roses/roses-12.jpg", folder / "img12.jpg")
    (folder / "held-out.tsv").write_text("new.jpg\troses\nother.png\tdaisy\n")
    for named in (_TRAINED, _HELD_OUT, {"appliance": ("toaster3.jpg",)}):
        for label, names in named.items():
            for name in names:
                draw(folder / "assets" / name, TUTORIAL[label])
    trained = [f"{name}\t{label}\n" for label, names in _TRAINED.items() for name in names]
    (folder / "assets/tags.tsv").write_text("".join(trained))
    # Blanks in the label of one, and in a third column behind those of the others.
    held_out = [
        f"{name}\t{label}{'  ' if name == 'pizza3.jpg' else chr(9) + '  '}\n"
        for label, names in _HELD_OUT.items()
        for name in names
    ]
    (folder / "assets/test-tags.tsv").write_text("".join(held_out))
    with zipfile.ZipFile(folder / "project.tm", "w") as project:
        project.writestr("manifest.json", json.dumps({"type": "image", "version": "2.4.4", "appdata": {}}))
        for label, photos in some_photos(folder).items():
            for number, photo in enumerate(photos):
                project.write(photo, f"{label}-!-{number}.jpg")
    with zipfile.ZipFile(folder / "roses-samples.zip", "w") as samples:
        for number in range(_EXPORTED, _EACH):
            samples.write(folder / f"photos/roses/roses-{number}.jpg", f"{number}.jpg")


def some_photos(folder: Path) -> dict[str, list[Path]]:
    """Return some of the photos of each class, which other programs may have exported."""
    return {
        label: [folder / "photos" / label / f"{label}-{number}.jpg" for number in range(_EXPORTED)] for label in FLOWERS
    }


def custom_vision_images(folder: Path, address: str) -> list[dict[str, object]]:
    """Return what Custom Vision's training API would say of these photos, which are served at an address."""
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, photo.name)),
            "originalImageUri": f"{address}/{photo.relative_to(folder).as_posix()}",
            "tags": [{"tagId": str(uuid.uuid5(uuid.NAMESPACE_URL, label)), "tagName": label}],
        }
        for label, photos in some_photos(folder).items()
        for photo in photos
    ]
