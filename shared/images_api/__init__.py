"""The images endpoint's wire format: pure, no I/O."""
