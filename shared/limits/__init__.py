"""Rate and money: pure, no I/O."""
