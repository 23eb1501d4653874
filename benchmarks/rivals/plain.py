"""A server of plain grpcio, without batching: each request decodes its photo and runs the graph by itself.

`python -m benchmarks.rivals.plain ADDRESS DESCRIPTION`, in our environment. It speaks our contract, of which it knows
Featurize with one photo and all taps alone.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from benchmarks.rivals.network import Network
from lastlayer.v1 import featurizer_pb2, featurizer_pb2_grpc, types_pb2

_THREADS = 4


class _Servicer(featurizer_pb2_grpc.FeaturizerServicer):
    def __init__(self, network: Network) -> None:
        self._network = network

    def Featurize(  # noqa: N802
        self,
        request: featurizer_pb2.FeaturizeRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> featurizer_pb2.FeaturizeResponse:
        """Return the vectors of one photo, all taps in one."""
        vectors = self._network.run(self._network.decode(request.images[0].content)[None])
        vector = types_pb2.FeatureVector(values=vectors[0].tobytes())
        features = featurizer_pb2.FeatureVectors(vectors=[vector])
        return featurizer_pb2.FeaturizeResponse(results=[featurizer_pb2.ImageFeatures(features=features)])


def main() -> None:
    """Serve until the process is ended."""
    # gRPC's types know no generic executor.
    server: Any = grpc.server(ThreadPoolExecutor(_THREADS))
    servicer = _Servicer(Network(Path(sys.argv[2])))  # type: ignore[abstract]  # the other methods are unimplemented
    featurizer_pb2_grpc.add_FeaturizerServicer_to_server(servicer, server)
    server.add_insecure_port(sys.argv[1])
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
