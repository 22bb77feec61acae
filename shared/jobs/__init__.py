"""What a caller may ask, and reading it from any door: pure, no I/O."""
