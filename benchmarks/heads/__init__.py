"""What heads make of the features of different taps, networks, precisions and sizes."""
