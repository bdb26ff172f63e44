"""Images that artclf draws itself."""
