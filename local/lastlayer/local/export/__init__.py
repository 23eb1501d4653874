"""Writes a whole model, network and head, as one file, once that has predicted as the service does."""
