"""How the client talks to the classifier."""
