"""How children come to share most of their memory with the process that they are copies of.

gaps        why objects that a child makes lie together
image       the memory that all children began with, and how one gives back what is still, or again, as it was there
mappings    where its memory is
routines    the two pieces of machine code that this takes
"""
