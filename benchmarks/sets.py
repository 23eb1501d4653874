"""Writes sets of images for `benchmarks.quality`, where there are few photos: `python -m benchmarks.sets OUT`.

Each is a folder with one sub-folder a class:

- `digits`: scikit-learn's 1,797 handwritten digits, 64 pixels wide;
- `borders`: the same digits, each in the left or right of three squares, of which the centre crop is the one between;
- `glyphs`: 2,000 of eight letters, drawn in the fonts of this machine, turned, in colours, with noise and lines;
- `shapes`: 800 pictures with any of the labels red, round, large and striped, independent of each other, in a table
  `labels.tsv` as `client train --multi-label` takes it;
- `styles`: 1,200 of the same letters with their letter and any of bold and serif as labels, in a table as well;
- `emoji`: with `--emoji`, the unpacked npm package `emoji-datasource-google`, its 1,600 drawings by category.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits

_LETTERS = "OQGCDBEF"
_GLYPHS = 2000
_SHAPES = 800
_STYLES = 1200
_SIZE = 96


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the folder that they are written to")
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"), help="where `glyphs` finds its fonts")
    parser.add_argument("--emoji", type=Path, help="the package that `emoji` is made of")
    options = parser.parse_args(arguments)
    write_digits(options.out / "digits")
    write_borders(options.out / "borders")
    fonts = sorted(options.fonts.rglob("DejaVu*.ttf"))
    if not fonts:
        parser.error(f"no fonts named DejaVu in {options.fonts}; name another folder with --fonts")
    write_glyphs(options.out / "glyphs", fonts)
    write_shapes(options.out / "shapes")
    write_styles(options.out / "styles", fonts)
    if options.emoji is not None:
        write_emoji(options.out / "emoji", options.emoji)


def write_digits(folder: Path) -> None:
    """Write scikit-learn's digits."""
    for number, (image, label) in enumerate(_draw_digits()):
        _save(image, folder / label, f"{number}.png")


def write_borders(folder: Path) -> None:
    """Write the digits at the left or right of pictures three times as wide as high."""
    random = np.random.default_rng(6)
    for number, (image, label) in enumerate(_draw_digits()):
        wide = Image.new("RGB", (3 * image.width, image.height))
        wide.paste(image, (int(random.integers(2)) * 2 * image.width, 0))
        _save(wide, folder / label, f"{number}.png")


def _draw_digits() -> Iterator[tuple[Image.Image, str]]:
    """Yield each digit with its label."""
    digits = load_digits()
    for pixels, label in zip(digits.images, digits.target, strict=True):
        image = Image.fromarray((pixels * 255 / 16).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
        yield image.convert("RGB"), str(label)


def write_glyphs(folder: Path, fonts: Sequence[Path]) -> None:
    """Draw letters that are easily mistaken for each other."""
    random = np.random.default_rng(5)
    for number in range(_GLYPHS):
        letter = _LETTERS[number % len(_LETTERS)]
        background, colour = random.uniform(0, 1, (2, 3))
        while np.abs(background - colour).sum() < 0.5:
            colour = random.uniform(0, 1, 3)
        font = ImageFont.truetype(str(fonts[int(random.integers(len(fonts)))]), int(random.integers(22, 64)))
        mask = Image.new("L", (_SIZE, _SIZE))
        across, down = (float(offset) for offset in _SIZE / 2 + random.normal(0, 8, 2))
        ImageDraw.Draw(mask).text((across, down), letter, fill=255, font=font, anchor="mm")
        share = np.asarray(mask.rotate(float(random.normal(0, 30)), Image.Resampling.BICUBIC))[..., None] / 255
        pixels = background * (1 - share) + colour * share
        pixels += random.normal(0, random.uniform(0.02, 0.3), (_SIZE, _SIZE, 1))
        image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
        for _ in range(random.integers(0, 4)):
            ends = [tuple(float(end) for end in random.uniform(0, _SIZE, 2)) for _ in range(2)]
            line = tuple(int(part) for part in random.integers(0, 255, 3))
            ImageDraw.Draw(image).line(ends, fill=line, width=int(random.integers(1, 4)))
        _save(image, folder / letter, f"{number}.png")


def write_shapes(folder: Path) -> None:
    """Draw shapes whose colour, form, size and pattern are independent of each other."""
    random = np.random.default_rng(7)
    rows = []
    for number in range(_SHAPES):
        red, is_round, large, striped = random.random(4) < (0.5, 0.4, 0.3, 0.15)
        size = int(random.integers(44, 60) if large else random.integers(20, 32))
        own = np.array([random.integers(170, 255), *random.integers(0, 90, 2)])
        colour = tuple(int(part) for part in (own if red else np.roll(own, int(random.integers(1, 3)))))
        mask = Image.new("L", (size, size))
        draw = ImageDraw.Draw(mask)
        if is_round:
            draw.ellipse((0, 0, size - 1, size - 1), fill=255)
        else:
            corners = [(0, size - 1), (size // 2, 0), (size - 1, size - 1)]
            draw.polygon(corners if random.random() < 0.5 else [(0, 0), (size, 0), (size, size), (0, size)], fill=255)
        for line in range(0, size, 6) if striped else ():
            draw.line((0, line, size, line), fill=0, width=2)
        mask = mask.rotate(float(random.uniform(0, 90)), Image.Resampling.BICUBIC, expand=True)
        pixels = random.uniform(60, 255, 3) + random.normal(0, random.uniform(5, 40), (_SIZE, _SIZE, 1))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        place = [int(random.integers(0, max(1, _SIZE - side))) for side in mask.size]
        image.paste(colour, (place[0], place[1]), mask)
        _save(image, folder / "images", f"{number}.png")
        marks = {"red": red, "round": is_round, "large": large, "striped": striped}
        rows.append((number, [label for label, has in marks.items() if has]))
    _write_table(folder, rows)


def write_styles(folder: Path, fonts: Sequence[Path]) -> None:
    """Draw letters in fonts that are bold or not, with serifs or without."""
    random = np.random.default_rng(8)
    rows = []
    for number in range(_STYLES):
        letter, font = _LETTERS[number % len(_LETTERS)], fonts[int(random.integers(len(fonts)))]
        shade = random.integers(0, 100, 3)
        drawn = ImageFont.truetype(str(font), int(random.integers(40, 64)))
        image = Image.new("RGB", (_SIZE, _SIZE), tuple(int(part) for part in random.integers(170, 255, 3)))
        across, down = (float(offset) for offset in _SIZE / 2 + random.normal(0, 6, 2))
        ImageDraw.Draw(image).text((across, down), letter, fill=tuple(map(int, shade)), font=drawn, anchor="mm")
        image = image.rotate(float(random.normal(0, 8)), Image.Resampling.BICUBIC, fillcolor=image.getpixel((0, 0)))
        _save(image, folder / "images", f"{number}.png")
        marks = {"bold": "Bold" in font.stem, "serif": "Serif" in font.stem or "Gyre" in font.stem}
        rows.append((number, [letter, *(label for label, has in marks.items() if has)]))
    _write_table(folder, rows)


def _write_table(folder: Path, rows: Sequence[tuple[int, Sequence[str]]]) -> None:
    lines = (f"images/{number}.png\t{'|'.join(labels)}\n" for number, labels in rows)
    (folder / "labels.tsv").write_text("".join(lines))


def write_emoji(folder: Path, package: Path) -> None:
    """Write the emoji of a package on white, those without flags and without tones of skin."""
    for emoji in json.loads((package / "emoji.json").read_text()):
        drawing = package / "img/google/64" / emoji["image"]
        if emoji["category"] in ("Component", "Flags") or not drawing.exists():
            continue
        pixels = Image.open(drawing).convert("RGBA")
        image = Image.new("RGBA", pixels.size, "white")
        image.alpha_composite(pixels)
        _save(image.convert("RGB"), folder / emoji["category"].replace(" & ", " and "), emoji["image"])


def _save(image: Image.Image, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name)


if __name__ == "__main__":
    main()
