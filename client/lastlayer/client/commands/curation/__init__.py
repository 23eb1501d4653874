"""Commands on the images of datasets: labels put right, and images without labels."""
