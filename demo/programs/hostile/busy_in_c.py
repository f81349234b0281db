"""One call into C that never comes back to the interpreter loop, so that no Python signal handler ever runs."""
from itertools import repeat

print(sum(repeat(1)))
