"""The wire format of the images endpoint.

* `requests`: the request of a call
* `decoder`: from the bytes of a reply to its pictures and the rest
* `json_extractor`: pictures out of a JSON text, while it passes
* `sse`: server-sent events, while they arrive
* `replies`: errors, links and headers of a reply
* `outcomes`: what a reply means for the task
"""
