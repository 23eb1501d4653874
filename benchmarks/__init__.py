"""Programs that measure; each prints a table (see README.md beside this)."""
