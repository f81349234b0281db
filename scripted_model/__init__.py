"""A model server that says what a script has it say: the chat completions API over real HTTP, with faults on demand.

script       what is said to whom, and what goes wrong
requests     what was asked
completions  the API's form of a reply, whole or in pieces
http         as much of HTTP/1.1 as that takes
server       the server, in a thread of its own
"""

from scripted_model.requests import ChatRequest
from scripted_model.script import Answer, Conversation, Fault, Script, ScriptUnusable, load_script
from scripted_model.server import ScriptedModel

__all__ = ["Answer", "ChatRequest", "Conversation", "Fault", "Script", "ScriptUnusable", "ScriptedModel", "load_script"]
