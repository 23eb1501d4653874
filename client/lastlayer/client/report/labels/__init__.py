"""The part of a report on images that may have several labels."""
