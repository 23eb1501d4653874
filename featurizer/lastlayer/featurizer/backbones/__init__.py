"""Backbones, declared as data."""
