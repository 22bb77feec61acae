"""The demo: run jobs on the local stack and show their pictures and events."""
