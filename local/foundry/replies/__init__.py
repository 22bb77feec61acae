"""The content of the replies: bodies, tokens, faults, refusals."""
