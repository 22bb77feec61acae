"""The truth about a job: pure, no I/O."""
