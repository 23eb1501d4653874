"""The network: loaded, made faster, run."""
