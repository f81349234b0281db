"""A client for the HTTP face of a scheduler, for programs on other machines or of other users.

client  async_client    the two of them: what each has of its own is how it sends and how it waits
acts  answers           pure: what can be asked, and what a server tells; here the clients' methods are described
following  methods      where one stands who follows a job; how a description becomes a method
connecting  retrying    how a server is reached; what is sent again, and when
"""

from statek.http_client.acts import NewJob
from statek.http_client.answers import Event, Page
from statek.http_client.async_client import AsyncClient
from statek.http_client.client import Client
from statek.http_client.errors import ServerRefused, ServerUnreachable

__all__ = ["AsyncClient", "Client", "Event", "NewJob", "Page", "ServerRefused", "ServerUnreachable"]
