"""The HTTP functions; each module is imported with its first request.

* `routes`: all routes and their modules
* `jobs`: submit, estimate, read, list and control jobs; pictures, and those to edit
* `batches`: lists of jobs
* `openai`: OpenAI's images API, for its clients
* `operations`: health and overview
* `gallery`: the page of pictures
* `responses`: documents, problems, stored blobs and headers
"""
