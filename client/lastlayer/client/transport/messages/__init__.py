"""Messages of the contract as the client's plain results."""
