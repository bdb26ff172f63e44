"""What is claimed about speed, runnable by anyone: `python -m benchmarks.NAME` from the repository's root."""
