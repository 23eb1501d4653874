"""What users call the values of the contract's enumerations."""

from collections.abc import Mapping
from typing import Final

from lastlayer.v1 import classifier_pb2, types_pb2

RECIPES: Final[Mapping[str, classifier_pb2.Recipe]] = {
    "auto": classifier_pb2.RECIPE_AUTO,
    "tutorial": classifier_pb2.RECIPE_TUTORIAL,
}
CLASS_WEIGHTS: Final[Mapping[str, classifier_pb2.ClassWeight]] = {
    "none": classifier_pb2.CLASS_WEIGHT_NONE,
    "balanced": classifier_pb2.CLASS_WEIGHT_BALANCED,
}
PREFERENCES: Final[Mapping[str, classifier_pb2.Preference]] = {
    "quality": classifier_pb2.PREFERENCE_QUALITY,
    "speed": classifier_pb2.PREFERENCE_SPEED,
}
REVIEW_KINDS: Final[Mapping[str, classifier_pb2.ReviewKind]] = {
    "suspicious": classifier_pb2.REVIEW_KIND_SUSPICIOUS_LABELS,
    "mistakes": classifier_pb2.REVIEW_KIND_MISTAKES,
}
MAP_METHODS: Final[Mapping[str, classifier_pb2.MapMethod]] = {
    "auto": classifier_pb2.MAP_METHOD_UNSPECIFIED,
    "pca": classifier_pb2.MAP_METHOD_PCA,
    "neighbors": classifier_pb2.MAP_METHOD_NEIGHBORS,
}
VIEWS: Final[Mapping[str, types_pb2.View]] = {
    "crop": types_pb2.VIEW_CROP,
    "whole": types_pb2.VIEW_WHOLE,
    "crop-flipped": types_pb2.VIEW_CROP_FLIPPED,
    "whole-flipped": types_pb2.VIEW_WHOLE_FLIPPED,
}
