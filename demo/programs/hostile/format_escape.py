"""Walks from a string to the interpreter's globals inside format strings, in every spelling it knows."""
class Bait:
    def lure(self):
        return self

spells = [
    "{0.__class__.__init__.__globals__}",
    "{0.lure.__globals__[__builtins__]}",
    "{0.lure.__func__.__code__.co_consts}",
]
for spell in spells:
    for attempt in (
        lambda: spell.format(Bait()),
        lambda: str.format(spell, Bait()),
        lambda: getattr(spell, "for" + "mat")(Bait()),
        lambda: spell.format_map({"0": Bait()}),
    ):
        try:
            print("escaped:", attempt())
        except Exception as error:
            print(f"{type(error).__name__}: {error}"[:100])
