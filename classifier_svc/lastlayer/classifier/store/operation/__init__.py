"""What operators need of the store: backups, and its sizes as metrics."""
