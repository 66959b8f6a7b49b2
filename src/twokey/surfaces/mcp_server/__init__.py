"""The door for outside agents, by the Model Context Protocol: reading and drafting, no other verb.

It has no way of its own into the server: every tool asks the API with the agent's own token, so what the token may do,
what is put on record and what is held up is decided there, once.
"""

from twokey.surfaces.mcp_server.asking import ApiAsk, Ask, Problem
from twokey.surfaces.mcp_server.server import create_server
from twokey.surfaces.mcp_server.tools import Tool, tools_of

__all__ = ["ApiAsk", "Ask", "Problem", "Tool", "create_server", "tools_of"]
