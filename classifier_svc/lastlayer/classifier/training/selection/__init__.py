"""Which images without a label to label next."""
