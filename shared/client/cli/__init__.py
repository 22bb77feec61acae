"""The command `image-jobs`, in the extra `cli`.

* `main`: run the command and return its exit code
* `commands`: all sub-commands
* `submit`: submit, estimate and explain jobs
* `job_options`: a job as options
* `jobs`: status, list, watch, events, get, cancel, release, fail, approve, reject, replay and erase
* `why`: explain a job
* `batches`: start and follow batches
* `dead_letters`: list, show, replay and purge dead letters
* `ledger`: quota and costs
* `doctor`: check storage, endpoints and permissions
* `access`: the client of a command, or why storage can't be reached
* `output`: tables and JSON
"""
