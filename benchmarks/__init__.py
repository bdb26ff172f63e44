"""What is claimed about speed, measured by anyone: `python -m benchmarks` from the repository's root writes RESULTS.md."""
