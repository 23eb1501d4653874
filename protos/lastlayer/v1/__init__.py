"""Version 1 of the contract: `types_pb2`, `featurizer_pb2`, `classifier_pb2` and their gRPC stubs."""
