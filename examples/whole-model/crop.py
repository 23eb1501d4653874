"""Makes the pixels of a photo that a whole model takes, as Lastlayer's service makes them."""

import numpy as np
from PIL import Image, ImageOps


def crop(photo, width, height, whole=False):
    """Return the centre of a photo, or all of it, squashed: uint8 [height, width, 3], RGB.

    `photo` is a path or an open file; `whole` is whether the model's views are of the whole photo.
    """
    image = Image.open(photo)
    image.draft(None, (2 * max(width, height), 2 * max(width, height)))  # decodes large JPEGs at 1/2, 1/4 or 1/8
    size = (height, width) if image.getexif().get(0x0112, 1) >= 5 else (width, height)  # before it is turned upright
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    scale = max(size[0] / image.width, size[1] / image.height)
    covering = max(size[0], round(image.width * scale)), max(size[1], round(image.height * scale))
    left, top = (covering[0] - size[0]) // 2, (covering[1] - size[1]) // 2
    across, down = image.width / covering[0], image.height / covering[1]
    box = (left * across, top * down, (left + size[0]) * across, (top + size[1]) * down)
    image = image.resize(size, Image.Resampling.BILINEAR, box=None if whole else box)
    image = ImageOps.exif_transpose(image)
    if image.mode == "RGBA":  # what is transparent becomes white
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return np.asarray(image)
