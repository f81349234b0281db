"""Prints until somebody's disk or terminal is full."""
while True:
    print("all work and no play makes this agent a dull guest " * 20)
