"""A client for the HTTP face of a scheduler, for programs on other machines or of other users.

client  async_client  the two of them, with the same methods
connecting  retrying  how a server is reached; what is sent again, and when
wire                  pure: what each act, answer and event looks like
"""

from statek.http_client.async_client import AsyncClient
from statek.http_client.client import Client
from statek.http_client.errors import ServerRefused, ServerUnreachable
from statek.http_client.wire import Event, NewJob, Page

__all__ = ["AsyncClient", "Client", "Event", "NewJob", "Page", "ServerRefused", "ServerUnreachable"]
