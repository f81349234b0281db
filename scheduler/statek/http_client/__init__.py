"""A client for the HTTP face of a scheduler, for programs on other machines or of other users.

wire       pure: what each act, answer and event looks like
retrying   pure: what may be sent again, and when
client  async_client
"""

from statek.http_client.async_client import AsyncClient
from statek.http_client.client import Client
from statek.http_client.errors import ServerRefused, ServerUnreachable
from statek.http_client.wire import Event, NewJob, Page

__all__ = ["AsyncClient", "Client", "Event", "NewJob", "Page", "ServerRefused", "ServerUnreachable"]
