"""The main job, done for real before a stranger's eyes: `make demo`."""
