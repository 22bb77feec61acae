"""What the app does, written against interfaces."""
