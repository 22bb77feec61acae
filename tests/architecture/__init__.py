"""Laws of the tree: rules that the code must follow as text."""
