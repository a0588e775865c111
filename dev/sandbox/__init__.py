"""A stand-in for the Export API: a shop with visitors, served over HTTP."""

from dev.sandbox.api import Request, Switches
from dev.sandbox.faults import Fault
from dev.sandbox.server import Sandbox
from dev.sandbox.world import World

__all__ = ["Fault", "Request", "Sandbox", "Switches", "World"]
