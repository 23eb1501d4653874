"""From image bytes to feature vectors: decode, admit, batch."""
