"""What HTTP needs around the routes: who may call, how much they may send, how failures are told."""
