"""Runs in the environment of MLServer, which has none of our packages."""
