"""Does every job end right, whatever is killed and whatever becomes of the messages? Real services, killed for real.

run         the command scripts/crashsweep: what is asked for, and the account at the end
sweep       jobs go in, disturbances happen, jobs come out and are judged
plan        which disturbance comes next: pure, from a seed
trap        the disturbance that is armed, and where it happens
link        between supervisors and scheduler: passes each message on, or lets something happen at it
zmtp        what a ZeroMQ connection's bytes are made of
commits     where schedulers stand still before and after each commit
halting     a scheduler that does
field       the services: started, found by their part, killed, started again
application what the schedulers offer: tools and agents
programs    what the jobs of clients do, and what must come of it
batches     jobs of clients: submitted, followed, judged
verdict     what such a job's end is held against
talks       conversations: pushed, submitted, disturbed from outside, judged
told        what dbzero's objects and the ledger each tell of a job, in one form
account     what was done and what came of it, counted
midcommit   a scheduler on a large store, killed inside its commits, again and again
submitting  a client that goes on submitting meanwhile
announced   a running scheduler and its open commits
announcing  a scheduler that says on a pipe when a commit begins and ends
"""
