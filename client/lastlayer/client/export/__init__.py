"""Heads as files for other programs."""
