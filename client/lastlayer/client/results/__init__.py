"""What the client answers with: plain, frozen values without any type of the wire."""
