"""Checks of what is not Python: Bicep, workflows, templates; all of them offline."""
