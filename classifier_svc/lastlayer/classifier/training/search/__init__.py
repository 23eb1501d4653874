"""Searches for the taps and the L2 penalty with the least cross-validated log-loss."""
