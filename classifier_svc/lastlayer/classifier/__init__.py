"""The classifier: keeps labelled examples as features, trains heads on them, and predicts, over gRPC."""
