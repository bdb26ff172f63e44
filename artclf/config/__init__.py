"""What a run is told: its schema, its checks and its search space."""
