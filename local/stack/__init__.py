"""Azurite, the Foundry emulator and the app as processes."""
