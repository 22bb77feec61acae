"""Where the host calls in: thin functions that hand a message to the work and log what it did."""
