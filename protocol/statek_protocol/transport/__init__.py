"""How the processes find and trust each other over ZeroMQ. Never imported inside the wall.

endpoints   what an endpoint may look like, and local sockets with long paths
keys        CURVE key pairs on disk, and who is let in
"""
