"""Schedulers, such as Airflow."""
