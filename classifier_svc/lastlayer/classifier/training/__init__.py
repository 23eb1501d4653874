"""From a request to a version."""
