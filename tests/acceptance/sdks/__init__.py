"""Programs that use the app through clients of others, each run as a process of its own."""
