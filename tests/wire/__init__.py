"""Against a sandbox on loopback."""
