"""What a version keeps of its training images, by which it is told whether other images come."""
