"""The supervisor: the one process of a pool that speaks ZeroMQ."""
