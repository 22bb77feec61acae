"""The interfaces made real: storage over REST, identity, Foundry, sinks, rendering, telemetry."""
