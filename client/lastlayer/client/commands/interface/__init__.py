"""What all commands share: their options and help, and what is said and asked on standard error."""
