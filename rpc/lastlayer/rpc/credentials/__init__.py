"""TLS certificates and tokens, read from files that may change."""
