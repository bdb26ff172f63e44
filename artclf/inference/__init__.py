"""A finished model on files."""
