"""The featurizer, seen from the classifier."""
