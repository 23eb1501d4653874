"""What the command `featurizer` is made of."""
