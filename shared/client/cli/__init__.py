"""The command `image-jobs`, for people at a terminal and for scripts; the extra `cli`."""
