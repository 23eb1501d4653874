"""Lastlayer: the contract of its services, as generated stubs."""
