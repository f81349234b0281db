"""Computes for ever."""
print("thinking ...")
n = 0
while True:
    n += 1
