"""Measurements, kept apart from the tests: a time is never a reason for a test to fail."""
