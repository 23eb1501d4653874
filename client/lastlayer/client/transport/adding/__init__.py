"""Adds examples to a dataset over one stream, or several where one breaks: as images, or with their features."""
