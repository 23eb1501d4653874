"""What the reference is made of: each module reads one kind of thing out of the code."""
