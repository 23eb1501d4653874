"""Keeps some of the images that are predicted, for labelling, where the operator wishes that."""
