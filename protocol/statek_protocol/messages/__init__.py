"""Every message there is, one module per conversation.

interpreter   supervisor and interpreter (and, stamped, the scheduler)
executor      scheduler and supervisor
client        client and scheduler
base          the class they share, and the sizes that bound them
"""
