"""Programs for those who develop Lastlayer; no part of what is installed."""
