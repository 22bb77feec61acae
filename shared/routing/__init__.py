"""A job becomes a plan, or every reason why not: pure, no I/O."""
