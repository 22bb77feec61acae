"""Laws of the tree: what must hold of the code as text, whatever it does."""
