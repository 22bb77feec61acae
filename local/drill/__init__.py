"""Provokes each alert on the laptop, and prints what an operator sees and does."""
