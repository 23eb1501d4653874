"""Fits one logistic regression for each label of images that may have several, all on the same features."""
