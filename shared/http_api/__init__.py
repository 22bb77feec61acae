"""The documents, problems, queries and headers of the HTTP interface: pure, no I/O."""
