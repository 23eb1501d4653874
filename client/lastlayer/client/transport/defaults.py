"""What holds where nothing is said, for the Python client and the command line alike."""

from typing import Final

DEFAULT_SERVER: Final = "localhost:50052"
DEFAULT_MODEL: Final = "default"
"""The name of the model, and of the dataset that it is trained on."""
DEFAULT_TIMEOUT_S: Final = 60.0
"""How long to wait for the answer to a call, or to one message of a stream of images."""
TRAIN_TIMEOUT_S: Final = 3600.0
"""How long a training may take."""
RECIPES: Final = ("auto", "tutorial")
CLASS_WEIGHTS: Final = ("none", "balanced")
PREFERENCES: Final = ("quality", "speed")
VIEWS: Final = ("crop", "whole", "crop-flipped", "whole-flipped")
