"""The pictures that the emulator draws."""
