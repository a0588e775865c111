"""In the process, without a server."""
