"""Prints docs and schemas from the code."""
