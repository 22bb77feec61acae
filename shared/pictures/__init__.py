"""What a picture is, from its bytes: pure, no I/O."""
