"""What a disk does to a store: its faults, and the room that is kept on it."""
