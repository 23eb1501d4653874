"""The machine that the featurizer runs on."""
