"""The server's life, and what stands around every call: errors, calls, tokens."""
