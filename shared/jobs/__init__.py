"""What a caller can request, and how a request is read and checked.

* `job`: the job, what it requests to be made of its originals, and the rules between its fields
* `fields`: the types of single fields, tags among them
* `parsing`: from the bytes of a message to a job
* `validation`: from a pydantic error to faults
* `prompts`: the prompt that a template makes, and the one for a locale
"""
