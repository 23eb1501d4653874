"""Stored feature vectors by themselves: those of a dataset at one tap, and those of earlier releases."""
