"""Runs all services as processes of this machine, and shows what they can do."""
