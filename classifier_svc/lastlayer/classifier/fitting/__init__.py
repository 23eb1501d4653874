"""Arrays in, arrays out: what fits heads."""
