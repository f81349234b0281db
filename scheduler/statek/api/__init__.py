"""The rim towards clients."""
