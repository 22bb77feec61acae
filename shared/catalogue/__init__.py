"""What models can do and cost: pure, no I/O."""
