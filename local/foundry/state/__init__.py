"""What the emulator remembers, and its settings."""
