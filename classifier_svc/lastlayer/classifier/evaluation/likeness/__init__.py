"""Which images are alike: by features, and by what they look like."""
