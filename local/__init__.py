"""Azure on a laptop: Azurite, a Foundry emulator and a Functions host. Never deployed."""
