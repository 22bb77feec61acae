"""Image Jobs: queue messages become pictures."""
