"""What the programs measure: our services, parts of them, and what they are compared with."""
