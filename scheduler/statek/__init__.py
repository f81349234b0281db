"""Durable jobs of hostile CPython."""
