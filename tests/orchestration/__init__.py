"""Airflow and other schedulers; needs their installations in `.tools`."""
