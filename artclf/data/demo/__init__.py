"""Pictures drawn by artclf itself."""
