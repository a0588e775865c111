"""Real targets, PostgreSQL and Meltano."""
