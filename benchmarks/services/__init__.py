"""How fast services are, alone and beside others, and what they hold."""
