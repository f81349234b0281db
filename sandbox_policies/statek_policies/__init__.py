"""What a guest program may do."""
