"""Computes for ever and catches whatever is thrown at it to make it stop."""
def persist():
    while True:
        try:
            while True:
                pass
        except BaseException:
            print("not yet")

persist()
