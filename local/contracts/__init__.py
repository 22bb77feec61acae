"""Schemas, interface descriptions, tables and a picture, derived from the code."""
