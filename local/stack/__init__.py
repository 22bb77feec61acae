"""The local stack: Azurite, the Foundry emulator and the app as child processes."""
