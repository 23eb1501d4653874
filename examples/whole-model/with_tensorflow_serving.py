"""Predicts photos by TensorFlow Serving, which has the SavedModel that `lastlayer export MODEL --to flowers/1` wrote.

python with_tensorflow_serving.py http://localhost:8501/v1/models/flowers photo.jpg...
"""

import base64
import json
import sys
import urllib.request
from pathlib import Path

model, *photos = sys.argv[1:]
files = [{"b64": base64.b64encode(Path(photo).read_bytes()).decode()} for photo in photos]  # JPEG, of any size
body = json.dumps({"signature_name": "jpeg", "instances": [{"jpeg": file} for file in files]}).encode()
request = urllib.request.Request(f"{model}:predict", body, {"Content-Type": "application/json"})
with urllib.request.urlopen(request) as answer:
    predictions = json.load(answer)["predictions"]
for photo, prediction in zip(photos, predictions, strict=True):
    print(f"{photo}\t{prediction['label']}\t{max(prediction['probabilities']):.4f}")
