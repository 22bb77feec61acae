"""The command `image-jobs`, in the extra `cli`.

* `main`: run the command and return its exit code
* `commands`: all sub-commands
* `submit`: submit, estimate and explain jobs
* `job_options`: a job as options
* `watch`: status, list, watch and get
* `batches`: start and follow batches
* `control`: cancel, release, fail and replay
* `dead_letters`: list, show, replay and purge dead letters
* `ledger`: quota and costs
* `doctor`: check storage, endpoints and permissions
* `output`: tables and JSON
"""
