"""Predicts photos with a file that `lastlayer export MODEL --to app.tflite` has written.

python with_litert.py app.tflite photo.jpg...   (pip install ai-edge-litert numpy pillow)
"""

import json
import sys
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from crop import crop

model, *photos = sys.argv[1:]
inside = zipfile.ZipFile(model)
labels = inside.read("labels.txt").decode().splitlines()
whole = '"whole' in json.loads(inside.read("lastlayer.json"))["views"]
run = Interpreter(model_path=model).get_signature_runner("serving_default")
_, height, width, _ = run.get_input_details()["images"]["shape"].tolist()

images = np.stack([crop(photo, width, height, whole) for photo in photos])
for photo, probabilities in zip(photos, run(images=images)["probabilities"], strict=True):
    print(f"{photo}\t{labels[probabilities.argmax()]}\t{probabilities.max():.4f}")
