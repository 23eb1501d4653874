"""What users would pick instead of the featurizer, to be measured beside it."""
