"""Environment variables become settings: pure, no I/O."""
