"""What artclf is measured against: programs that do the same work without it. They import nothing of artclf."""
