"""Finds the feature map of which a tap's vector is the mean over height and width."""

from typing import Any, Final

import tensorflow as tf

_RESHAPING: Final = ("Identity", "Reshape", "Squeeze")
"""What leaves the numbers of a pooled vector as they are."""


def feature_map(output: tf.Tensor) -> tf.Tensor | None:
    """Return the map, float32 [n, height, width, d], whose mean over height and width is the vector of a tap.

    `output` is the tap's tensor: [n, d], or [n, height, width, d], which is averaged. Where the network itself pools
    all of a map into it, the map is the one before the pooling. None where the vector is no such mean.
    """
    pooled = output
    while pooled.op.type in _RESHAPING:
        pooled = pooled.op.inputs[0]
    if _is_global_mean(pooled) and pooled.shape[-1] == output.shape[-1]:
        return pooled.op.inputs[0]
    return output if output.shape.rank == 4 else None


def _is_global_mean(tensor: tf.Tensor) -> bool:
    op: Any = tensor.op
    if op.type not in ("Mean", "AvgPool") or op.inputs[0].shape.rank != 4:
        return False
    if op.type == "Mean":
        axes = tf.get_static_value(op.inputs[1])
        return axes is not None and sorted(int(axis) % 4 for axis in axes.flatten()) == [1, 2]
    if op.get_attr("data_format") != b"NHWC" or tensor.shape[1:3] != (1, 1):
        return False
    return bool(op.get_attr("ksize")[1:3] == op.inputs[0].shape[1:3].as_list())
