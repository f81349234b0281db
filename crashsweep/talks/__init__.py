"""Conversations under disturbances: agents whose model is a script, with messages, subtasks and values from outside.

tale       what is said and done in a conversation, and what must come of it: pure, from a number
author     what the model says, and what it was asked
errands    what the sweep wants done from outside, and what became of it
pushing    the process that does it
telling    one conversation as the sweep sees it, and what it wants for it next
tales      all of them: begun, watched, judged
record     what the ledger has of a conversation
judging    what a conversation is held against
prompts    what its model was told, held against its ledger
objects    dbzero's objects of all jobs against the ledger
"""
