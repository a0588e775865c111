"""Tests of the dbt package in `transform/`."""
