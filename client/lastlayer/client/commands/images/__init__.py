"""The commands about images of which no label is known: their classes, vectors and maps, and sorting by class."""
