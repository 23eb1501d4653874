"""Watches what comes to be predicted: whether it is what versions were trained on."""
