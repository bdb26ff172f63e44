"""Searches for good settings: what is searched, which trials are not worth going on with, and what came out."""
