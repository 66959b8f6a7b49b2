"""The published snapshots in memory, and everybody who waits for the next one."""

from twokey.surfaces.hub.broadcast import Audience, Broadcast, Receive, Send
from twokey.surfaces.hub.editions import Edition, Mark
from twokey.surfaces.hub.hub import Hub, Moved, Place
from twokey.surfaces.hub.readiness import make_ready

__all__ = ["Audience", "Broadcast", "Edition", "Hub", "Mark", "Moved", "Place", "Receive", "Send", "make_ready"]
