"""The featurizer: holds a frozen network and turns images into feature vectors over gRPC."""
