"""What the project is worked on with, and is no test: sandbox, demo, benchmark, reliability run."""
