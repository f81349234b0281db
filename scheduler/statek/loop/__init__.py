"""One turn after another: messages, time and disk are moved, and what is decided is carried out after its commit."""
