"""Runs in the environment of BentoML, which has none of our packages."""
