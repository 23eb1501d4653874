"""How programs load a service, and what that costs the machine."""
