"""One scheduler as a running thing: what it is started with, what it consists of, how it ends."""
