"""What a head makes of images."""
