"""The client of a scheduler, over the socket in its store's directory."""
