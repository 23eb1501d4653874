"""What the commands show: tables, JSON lines, progress, heat maps."""
