"""What both services and the client share about talking gRPC: errors, statuses, channels and the server's life."""
