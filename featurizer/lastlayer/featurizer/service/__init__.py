"""The service: put together, and messages in, messages out."""
