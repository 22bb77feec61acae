"""Trouble on purpose: hosts killed, calls broken, messages sent twice; then a reckoning."""
