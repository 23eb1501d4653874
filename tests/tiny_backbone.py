"""The tiny network of `lastlayer.testing`, under the name that it had."""

from lastlayer.testing.tiny_backbone import MEAN, SCALE, TAPS, tiny_graph, tiny_weights, write_tiny_backbone

__all__ = ["MEAN", "SCALE", "TAPS", "tiny_graph", "tiny_weights", "write_tiny_backbone"]
