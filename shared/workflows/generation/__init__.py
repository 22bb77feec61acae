"""One task of a job, from its message to its pictures."""
