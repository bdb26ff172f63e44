"""Seeded trials with hostile input."""
