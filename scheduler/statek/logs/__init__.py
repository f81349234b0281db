"""Logs: what a scheduler tells about itself and its jobs while it runs. The audit log is another, durable and chained.

configuring       which records go where
jobs              lines about jobs, from the events that were committed
formats           a record as a line for people, or as a JSON object
handlers  files   writing lines without ever failing whoever logs; files of bounded size
agents            whose job it is
redaction         what must not stand in a log
"""
