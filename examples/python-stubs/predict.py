"""Predicts an image: python predict.py HOST:PORT IMAGE [MODEL]."""

import sys
from pathlib import Path

import grpc

from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2

LIMIT = 32 * 1024 * 1024  # gRPC's own limit of 4 MiB is less than a phone's photo


def main(server: str, image: str, model: str = "default") -> int:
    """Print the best class and its probability; return the exit status."""
    options = [("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT)]
    content = Path(image).read_bytes()
    with grpc.insecure_channel(server, options=options) as channel:
        stub = classifier_pb2_grpc.ClassifierStub(channel)
        request = classifier_pb2.PredictRequest(model=model, images=[types_pb2.Image(id=image, content=content)])
        try:
            [result] = stub.Predict(request, timeout=60).results
        except grpc.RpcError as error:
            sys.stderr.write(f"{error.details()}\n")
            return 1
    if result.HasField("error"):
        sys.stderr.write(f"{result.id}: {result.error.message}\n")
        return 1
    best = result.prediction.scores[0]
    sys.stdout.write(f"{best.label} {best.score:.4f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
