"""Azure storage: signed REST requests, blobs, queues; the SDK where it is rarely needed."""
