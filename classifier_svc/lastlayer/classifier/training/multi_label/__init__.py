"""Trains heads on images that may have several labels, and says what to expect of them."""
