"""Batches: many jobs from one manifest, a file or a list over HTTP; pure, without I/O.

* `manifest`: formats, ids, and the queue messages that start or continue a batch
* `entries`: the entries of a manifest, and the state of reading between two of them
* `csv_rows`: from a row of CSV to a job message
* `reader`: finds the entries of a manifest in its bytes
* `record`: the record of a batch and its pages
* `events`: the event of a batch, and the lines of its result manifest
"""
