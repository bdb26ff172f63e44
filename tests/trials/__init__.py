"""Hostile and unlucky input, drawn from a seed: `python -m tests.trials --images 5000 --seed 3`."""
