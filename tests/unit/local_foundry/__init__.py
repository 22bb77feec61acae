"""The Foundry emulator, called in-process."""
