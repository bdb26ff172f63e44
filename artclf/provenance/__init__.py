"""What image files themselves say about their origin."""
