"""Ablation: real escapes against the real walls, with each layer switched off in turn and each layer alone.

run             the command scripts/ablate
configurations  the layers as switches, and which of them stand in one trial
trials          runs stands and collects what each escape brought home
matrix          what that means for each escape, and how people read it
stand           stands in for a supervisor, as root or as an ordinary user; one process for each configuration
nursery         a zygote with that configuration, and its children
loot            what is planted for escapes to take, and how it is found out that they took it
launch          the launcher of the test build: the only place where a layer can be left out
child           runs in a child: executes what it is sent, with or without the language's layers
native, sources the escapes: of native code behind the language, and of guest programs
words           the escapes that are words, to the supervisor and the scheduler
field, lenient  tries those on real services, whose commands believe more than they should
document        docs/ablation.md

Nothing here is installed, and no command, option or variable of the product reaches the switches.
"""
