"""The files that the fuzzer begins with, made here: each format with its variants, and hostile ones of the attacks."""

import zlib

import numpy as np
from PIL import Image

from tests.attacks.featurizer import files
from tests.attacks.featurizer.files import saved


def corpus() -> list[bytes]:
    """Return small files of all formats that are accepted."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 52, 3)).astype(np.uint8))
    wide = Image.fromarray(np.arange(40 * 52, dtype=np.uint16).reshape(40, 52))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    frames = {"save_all": True, "append_images": [noise.rotate(90), noise.rotate(180)]}
    profile = b"a profile" * 100
    return [
        *(saved(noise.convert(mode), "JPEG") for mode in ("RGB", "L", "CMYK")),
        *(saved(noise, "JPEG", progressive=True, subsampling=step) for step in (0, 2)),
        saved(noise, "JPEG", exif=exif, icc_profile=profile, comment=b"a comment", restart_marker_blocks=1),
        files.jpeg_of_scans(3, width=64, height=64),
        files.jpeg_of_exif(),
        *(saved(noise.convert(mode), "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1")),
        saved(wide, "PNG"),
        saved(noise, "PNG", exif=exif, icc_profile=profile, transparency=(1, 2, 3)),
        saved(noise, "PNG", **frames),
        files.png(2, 2, (b"IDAT", zlib.compress(bytes(6))), colour=3),  # without its palette: once a fault
        files.png(5, 5, (b"tEXt", b"a\0b"), (b"zTXt", b"a\0\0x"), (b"IDAT", b""), lace=1),
        *(saved(noise.convert(mode), "WEBP", lossless=lossless) for mode in ("RGB", "RGBA") for lossless in (0, 1)),
        saved(noise, "WEBP", exif=exif, icc_profile=profile),
        saved(noise, "WEBP", **frames),
        files.webp_of_frames(300, 200, 3),
        *(saved(noise.convert(mode), "HEIF", quality=50) for mode in ("RGB", "RGBA", "L")),
        saved(noise, "HEIF", exif=exif, xmp=b"<x/>", icc_profile=profile, quality=50),
        saved(noise, "HEIF", **frames, quality=50),
        files.heic_of_boxes(3),
        files.heic_of_sizes(3),
        *(saved(noise.quantize(colours), "GIF") for colours in (2, 16, 256)),
        saved(noise, "GIF", **frames, comment=b"a comment", transparency=0),
        *(saved(noise.convert(mode), "BMP") for mode in ("RGB", "L", "P", "1", "RGBA")),
        files.bmp(52, 40, b"\x30\x05\0\0" * 40, compression=1),
        files.bmp(52, 40, b"\x30\x55\0\0" * 40, compression=2, bits=4),
        *(
            saved(noise, "TIFF", compression=packing)
            for packing in ("raw", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "jpeg", "lzma", "zstd")
        ),
        *(saved(noise.convert("1"), "TIFF", compression=packing) for packing in ("group3", "group4", "tiff_ccitt")),
        saved(wide, "TIFF", exif=exif),
        saved(noise.convert("F"), "TIFF"),
        saved(noise.convert("CMYK"), "TIFF", big_tiff=True),
        files.tiff_of_strips(4),
        files.tiff_of_a_tile(64),
    ]
