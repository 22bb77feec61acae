"""How fast and how flat the way of a picture is, side by side with other ways: `make bench`."""
