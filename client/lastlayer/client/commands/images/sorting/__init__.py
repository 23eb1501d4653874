"""Sorts photos into a folder a class, so that it can be taken back: names, journal, files, and what is shown."""
