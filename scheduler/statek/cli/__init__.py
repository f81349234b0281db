"""The statek command."""
