"""CloudEvents out: pure, no I/O."""
