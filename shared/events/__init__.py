"""Events as CloudEvents: data, size and delivery, without I/O."""
