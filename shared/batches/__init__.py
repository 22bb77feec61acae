"""Manifests in, results out: pure, no I/O."""
