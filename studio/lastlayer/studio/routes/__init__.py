"""What each resource answers over HTTP."""
