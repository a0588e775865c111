"""Tools for the project's developers that are not tests: sandbox, demo, benchmark, reliability run."""
