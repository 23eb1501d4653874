"""The metadata of TensorFlow Lite, by which apps find labels and how images are to be given, in a model of its format.

The names and numbers are those of the format: metadata_schema.fbs of TensorFlow Lite Support, version 1.0.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from lastlayer.featurizer.network.conversion.graph import IMAGES, PROBABILITIES, WholeModel
from lastlayer.rpc.vectors import View

LABELS_FILE: Final = "labels.txt"

_BUFFER: Final = b"TFLITE_METADATA"
_IDENTIFIER: Final = b"M001"
_AXIS_LABELS, _RGB, _IMAGE_PROPERTIES, _SCORE_THRESHOLD = 2, 1, 2, 3
"""Values of AssociatedFileType and ColorSpaceType, then members of the unions ContentProperties, ProcessUnitOptions."""

_SHOWN: Final = {View.CROP: "the image's centre, scaled to", View.WHOLE: "the whole image, squashed to"}


def describe(content: bytes, model: WholeModel) -> bytes:
    """Return a model of TensorFlow Lite with metadata: what goes in and out, and that LABELS_FILE has the labels."""
    parsed = flatbuffer_utils.convert_bytearray_to_object(content)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(_metadata(model))
    entry.name, entry.buffer = _BUFFER, len(parsed.buffers)
    parsed.buffers.append(buffer)
    parsed.metadata = [*(parsed.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(parsed))


def _metadata(model: WholeModel) -> bytes:
    head, size, builder = model.head, model.size, flatbuffers.Builder()
    text = builder.CreateString
    labels = _table(builder, {0: text(LABELS_FILE), 1: text("The classes, one a line.")}, numbers={2: _AXIS_LABELS})
    builder.StartObject(2)  # the size, in two numbers of 32 bits
    builder.PrependUint32Slot(0, size.width, 0)
    builder.PrependUint32Slot(1, size.height, 0)
    pixels = _table(builder, {1: builder.EndObject()}, numbers={0: _RGB})
    given = _table(
        builder,
        {
            0: text(IMAGES),
            1: text(f"RGB, 0 to 255: {_SHOWN[head.view]} {size.width} x {size.height}."),
            3: _table(builder, {1: pixels}, numbers={0: _IMAGE_PROPERTIES}),
        },
    )
    found = {0: text(PROBABILITIES), 1: text("Of each class."), 6: _vector(builder, [labels])}
    if head.threshold:
        builder.StartObject(1)
        builder.PrependFloat32Slot(0, head.threshold, 0)
        threshold = _table(builder, {1: builder.EndObject()}, numbers={0: _SCORE_THRESHOLD})
        found[4] = _vector(builder, [threshold])
    graph = _table(builder, {2: _vector(builder, [given]), 3: _vector(builder, [_table(builder, found)])})
    whole = {
        0: text(head.model),
        1: text(f"{head.backbone} with a head that was trained by Lastlayer."),
        2: text(str(head.version)),
        3: _vector(builder, [graph]),
        7: text("1.0.0"),
    }
    builder.Finish(_table(builder, whole), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, offsets: Mapping[int, int], numbers: Mapping[int, int] | None = None) -> int:
    """Write a table; by the number of the field, `offsets` has what was written before, `numbers` those of 8 bits."""
    numbers = numbers or {}
    builder.StartObject(1 + max([*offsets, *numbers]))
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, number in numbers.items():
        builder.PrependUint8Slot(field, number, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
