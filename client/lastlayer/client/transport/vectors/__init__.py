"""Feature vectors on the way: sent, fetched, and computed by the service."""
