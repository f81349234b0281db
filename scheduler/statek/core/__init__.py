"""Pure decisions: jobs, events and the machine; no socket, clock or store."""
