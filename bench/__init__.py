"""How fast and how small the real pieces are, each as a ratio to a floor that is measured in the same run.

run        the command: which benches, and the table
rows       what a bench finds, and how it is shown
measuring  interleaved runs and their medians
compute    compiling  starting  warm  memory  hop  ledger  commands  scale    the benches, one question each
kernels  programs    what is computed and compiled
nursery    a zygote with the benches' own kinds of children beside the real ones
zygote  children    what runs in it
stores     many jobs, by writing one real job's history for each
services  scheduling    running processes of ours, and the scheduler's end of a lease
"""
