"""Predicts photos with a file that `lastlayer export MODEL --to model.onnx` has written.

python with_onnxruntime.py model.onnx photo.jpg...   (pip install onnxruntime numpy pillow)
"""

import sys

import numpy as np
import onnxruntime
from crop import crop

model, *photos = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
whole = '"whole' in session.get_modelmeta().custom_metadata_map["views"]
_, height, width, _ = session.get_inputs()[0].shape

images = np.stack([crop(photo, width, height, whole) for photo in photos])
labels, probabilities = session.run(["label", "probabilities"], {"images": images})
for photo, label, row in zip(photos, labels, probabilities, strict=True):
    print(f"{photo}\t{label}\t{row.max():.4f}")
