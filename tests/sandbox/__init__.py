"""A stand-in for the Export API: a shop with visitors, served over HTTP."""

from tests.sandbox.server import Fault, Sandbox, Switches
from tests.sandbox.world import World

__all__ = ["Fault", "Sandbox", "Switches", "World"]
