"""Doubles a list until something gives."""
hoard = [0] * 1024
while True:
    hoard += hoard
    print(f"{len(hoard) * 8 / 2**20:.0f} MiB")
