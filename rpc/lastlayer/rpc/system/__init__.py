"""What the services share of dealing with the operating system: files and memory."""
