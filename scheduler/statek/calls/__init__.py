"""The rim towards tools."""
