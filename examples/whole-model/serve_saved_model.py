"""Answers as TensorFlow Serving does, `POST /v1/models/NAME:predict` in its row form, where that is not to be had.

python serve_saved_model.py flowers/1 [PORT]   (pip install tensorflow)
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import tensorflow as tf

folder, port = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 8501
loaded = tf.saved_model.load(folder)


def read(value):
    """Return what a value of JSON means: bytes where it is an object with base64, else a list of numbers."""
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def predict(asked):
    """Return what a signature yields, an object for each instance."""
    signature = loaded.signatures[asked.get("signature_name", "serving_default")]
    [(name, spec)] = signature.structured_input_signature[1].items()
    values = [read(row[name] if isinstance(row, dict) and name in row else row) for row in asked["instances"]]
    found = {key: value.numpy() for key, value in signature(**{name: tf.constant(values, spec.dtype)}).items()}
    rows = [{key: value[index].tolist() if value.ndim > 1 else value[index].decode() for key, value in found.items()}
            for index in range(len(values))]  # fmt: skip
    return {"predictions": rows}


class Handler(BaseHTTPRequestHandler):
    """Answers one request after the other of a connection."""

    def do_POST(self):
        """Answer a prediction."""
        try:
            status, answer = 200, predict(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        except (KeyError, TypeError, ValueError, tf.errors.OpError) as error:
            status, answer = 400, {"error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
print(f"serving {folder} at http://127.0.0.1:{server.server_port}/v1/models/model", flush=True)
server.serve_forever()
