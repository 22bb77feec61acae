"""What a caller can request, and how a request is read and checked.

* `job`: the job and the rules between its fields
* `fields`: the types of single fields, tags among them
* `finish`: what a job requests to be made from its originals
* `commands`: cancel, release, fail and replay
* `parsing`: from the bytes of a message to a job
* `validation`: from a pydantic error to faults
* `templates`: the prompt that a template and its variables make
* `localization`: prompts for locales, by a template
"""
