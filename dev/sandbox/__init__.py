"""A stand-in for the Export API: a shop with visitors, served over HTTP."""

from dev.sandbox.server import Fault, Sandbox, Switches
from dev.sandbox.world import World

__all__ = ["Fault", "Sandbox", "Switches", "World"]
