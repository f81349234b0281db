"""Inside the wall: what runs in a guest's own process, hostile from its first instruction."""
