"""Labelled images, read from folders and tables."""
