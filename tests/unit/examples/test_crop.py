"""The preprocessing that `examples/whole-model` writes out, in Python and in JavaScript, beside the service's."""

import importlib.util
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from lastlayer.featurizer.network.generated_images import generate_images
from lastlayer.featurizer.pipeline.decoding import decode_whole
from lastlayer.rpc.vectors import View
from tests.markdown import ROOT

EXAMPLES = ROOT / "examples/whole-model"
NODE = shutil.which("node")
WIDTH, HEIGHT = 96, 80

Pixels = npt.NDArray[np.uint8]

NODE_PROGRAM = """
import { readFileSync } from "node:fs";
import { crop } from "CROP";
for (const { path, width, height } of JSON.parse(readFileSync(0, "utf8"))) {
  const given = { data: readFileSync(path), width, height };
  for (const whole of [false, true]) process.stdout.write(crop(given, WIDTH, HEIGHT, whole));
}
"""


def photo(across: int, down: int, *, orientation: int = 1, kind: str = "JPEG", **options: Any) -> bytes:
    [pixels] = generate_images(1, width=across, height=down, seed=across)
    image = Image.fromarray(pixels)
    if kind == "PNG":
        image.putalpha(Image.linear_gradient("L").resize((across, down)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, kind, exif=exif, **options)
    return file.getvalue()


PHOTOS = {
    "as large as it": photo(WIDTH, HEIGHT),
    "smaller": photo(50, 31),
    "wide": photo(333, 101),
    "tall": photo(101, 333),
    "odd": photo(99, 81),
    "halves of pixels": photo(128, 72),
    "transparent": photo(150, 120, kind="PNG"),
    **{f"turned {orientation}": photo(150, 110, orientation=orientation) for orientation in range(2, 9)},
}
LARGE = {"decoded at 1/2": photo(700, 500), "decoded at 1/4": photo(1000, 900)}


@pytest.fixture(scope="module")
def crop() -> Callable[..., Pixels]:
    spec = importlib.util.spec_from_file_location("crop_of_the_examples", EXAMPLES / "crop.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., Pixels] = module.crop
    return found


def service(content: bytes) -> list[npt.NDArray[np.int64]]:
    """The crop, and the whole photo."""
    views = (View.CROP, View.WHOLE)
    decoded = decode_whole(content, width=WIDTH, height=HEIGHT, max_pixels=1_000_000, views=views)
    return [decoded.seen[view].pixels.astype(np.int64) for view in views]


@pytest.mark.parametrize("name", [*PHOTOS, *LARGE])
def test_python_crops_as_the_service_does(crop: Callable[..., Pixels], name: str) -> None:
    content = {**PHOTOS, **LARGE}[name]
    for whole, right in zip((False, True), service(content), strict=True):
        found = crop(io.BytesIO(content), WIDTH, HEIGHT, whole)
        assert found.dtype == np.uint8
        assert np.abs(found - right).max() <= 1


def turned(content: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(content)))


@pytest.fixture(scope="module")
def in_javascript(tmp_path_factory: pytest.TempPathFactory) -> dict[str, npt.NDArray[np.int64]]:
    """What JavaScript makes of all photos, crop and whole: one process, as each takes a moment to start."""
    if NODE is None:
        pytest.skip("THE JAVASCRIPT OF THE EXAMPLES WAS NOT RUN: node is not on the PATH")
    folder = tmp_path_factory.mktemp("pixels")
    asked = []
    for number, content in enumerate([*PHOTOS.values(), *LARGE.values()]):
        # As a browser gives them to a canvas: decoded and turned upright.
        upright = turned(content).convert("RGBA")
        path = folder / str(number)
        path.write_bytes(upright.tobytes())
        asked.append({"path": str(path), "width": upright.width, "height": upright.height})
    program = NODE_PROGRAM.replace("CROP", str(EXAMPLES / "crop.mjs"))
    program = program.replace("WIDTH", str(WIDTH)).replace("HEIGHT", str(HEIGHT))
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", program],
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=True,
        timeout=120,
    )
    cropped = np.frombuffer(done.stdout, np.uint8).reshape(-1, 2, HEIGHT, WIDTH, 3).astype(np.int64)
    return dict(zip([*PHOTOS, *LARGE], cropped, strict=True))


@pytest.mark.parametrize("name", PHOTOS)
def test_javascript_crops_as_the_service_does(in_javascript: dict[str, npt.NDArray[np.int64]], name: str) -> None:
    # Of a photo that EXIF turns the service crops what is stored, which may be a pixel further than the upright crop.
    upright = io.BytesIO()
    turned(PHOTOS[name]).save(upright, "PNG", exif=b"")
    assert np.abs(in_javascript[name] - np.stack(service(upright.getvalue()))).max() <= 3


@pytest.mark.parametrize("name", LARGE)
def test_javascript_decodes_large_photos_whole_and_is_near_all_the_same(
    in_javascript: dict[str, npt.NDArray[np.int64]], name: str
) -> None:
    assert np.abs(in_javascript[name] - np.stack(service(LARGE[name]))).mean() <= 1


def test_the_page_shows_them_as_they_are() -> None:
    page = (ROOT / "docs/how-to/take-a-model-away.md").read_text(encoding="utf-8")
    for file in ("crop.py", "crop.mjs"):
        assert (EXAMPLES / file).read_text(encoding="utf-8") in page, file
