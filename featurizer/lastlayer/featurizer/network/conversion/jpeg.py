"""Decoding, turning, scaling and cropping as operations of TensorFlow, as `pipeline.decoding` does it with Pillow."""

from typing import Any, Final

import tensorflow as tf

from lastlayer.featurizer.backbones.spec import Preprocessing
from lastlayer.rpc.vectors import View

_SCALES: Final = (1, 2, 4, 8)
"""The scales at which a decoder of JPEG can leave pixels out: 1, 1/2, 1/4 and 1/8."""
_HEAD_BYTES: Final = 1 << 18
"""How far into a file its orientation is looked for: it comes before the pixels, in a segment of at most 64 KiB."""
_EXIF: Final = (*b"Exif\0\0",)
_APP1, _START_OF_SCAN, _ORIENTATION, _LITTLE_ENDIAN = 0xE1, 0xDA, 0x0112, ord("I")
_MOST_ENTRIES: Final = 1000


def decode(content: tf.Tensor, size: Preprocessing, view: View) -> tf.Tensor:
    """Return a view, CROP or WHOLE, of a JPEG, a scalar string, as uint8 [height, width, 3], RGB.

    The image is turned as its EXIF orientation says, and scaled (bilinear, with antialiasing): for the crop so that it
    just covers width x height, and is cropped at the centre; for the whole to width x height. The levels are those of
    the service to within 2 of 255.
    """
    shape = tf.io.extract_jpeg_shape(content)
    spare = tf.reduce_min(shape[:2]) // (2 * max(size.width, size.height))
    index = tf.reduce_sum(tf.cast(spare >= tf.constant(_SCALES[1:]), tf.int32))
    pixels = tf.switch_case(index, [lambda scale=scale: _decode_at(content, scale) for scale in _SCALES])
    turned = _orientation(content)
    upright = tf.constant([size.height, size.width])
    target = tf.where(turned >= 5, tf.reverse(upright, [0]), upright)
    scaled = target
    if view is View.CROP:
        given = tf.cast(tf.shape(pixels)[:2], tf.float64)
        scale = tf.reduce_max(tf.cast(target, tf.float64) / given)
        scaled = tf.maximum(target, tf.cast(tf.round(given * scale), tf.int32))
    resized = tf.image.resize(pixels, scaled, tf.image.ResizeMethod.BILINEAR, antialias=True)
    start = (scaled - target) // 2
    cropped = tf.slice(resized, tf.concat([start, [0]], 0), tf.concat([target, [3]], 0))
    levels = tf.cast(tf.clip_by_value(tf.round(cropped), 0, 255), tf.uint8)
    return tf.ensure_shape(_turn(levels, turned), [size.height, size.width, 3])


def _decode_at(content: tf.Tensor, scale: int) -> tf.Tensor:
    return tf.io.decode_jpeg(content, channels=3, ratio=scale, dct_method="INTEGER_ACCURATE")


def _turn(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Return pixels, [h, w, 3], as an orientation of EXIF, from 1 to 8, says that they are upright."""
    swapped = tf.transpose(pixels, [1, 0, 2])
    return tf.switch_case(
        orientation - 1,
        [
            lambda: pixels,
            lambda: tf.reverse(pixels, [1]),
            lambda: tf.reverse(pixels, [0, 1]),
            lambda: tf.reverse(pixels, [0]),
            lambda: swapped,
            lambda: tf.reverse(swapped, [1]),
            lambda: tf.reverse(swapped, [0, 1]),
            lambda: tf.reverse(swapped, [0]),
        ],
    )


def _orientation(content: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation of a JPEG, int32 from 1 to 8; 1 where it says none."""
    data = tf.cast(tf.io.decode_raw(tf.strings.substr(content, 0, _HEAD_BYTES), tf.uint8), tf.int32)
    size = tf.size(data)

    def byte(place: Any) -> tf.Tensor:
        return tf.gather(data, tf.clip_by_value(place, 0, size - 1))

    def is_before_exif(place: tf.Tensor) -> tf.Tensor:
        is_segment = (byte(place) == 0xFF) & (byte(place + 1) != _START_OF_SCAN) & (place + 4 < size)
        return is_segment & ~is_exif(place)

    def is_exif(place: tf.Tensor) -> tf.Tensor:
        return (byte(place + 1) == _APP1) & tf.reduce_all(byte(place + 4 + tf.range(6)) == tf.constant(_EXIF))

    def next_segment(place: tf.Tensor) -> tuple[tf.Tensor]:
        # A length is at least 2; the loop ends in a file that says less, too.
        return (place + 2 + tf.maximum(256 * byte(place + 2) + byte(place + 3), 2),)

    (segment,) = tf.while_loop(is_before_exif, next_segment, (tf.constant(2),))
    start = segment + 10
    little = byte(start) == _LITTLE_ENDIAN

    def short(place: tf.Tensor) -> tf.Tensor:
        first, second = byte(place), byte(place + 1)
        return tf.where(little, first + 256 * second, 256 * first + second)

    # An offset beyond 64 KiB cannot be in the segment.
    offset = tf.where(little, short(start + 4), short(start + 6))
    entries = start + offset + 2 + 12 * tf.range(tf.minimum(short(start + offset), _MOST_ENTRIES))
    values = tf.boolean_mask(short(entries + 8), short(entries) == _ORIENTATION)
    found = tf.concat([values, [1]], 0)[0]
    sound = is_exif(segment) & (found >= 1) & (found <= 8)
    return tf.where(sound, found, 1)
