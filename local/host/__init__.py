"""A Functions host that drives Microsoft's worker library as the real host does.

`lifecycle` runs the process, `worker` starts and restarts the process of the worker library
(`worker_process`, over a `channel`), `bindings` reads the app's index, `invoker` runs a function;
`queues`, `timers` and `web` listen. Its behaviour comes from the documentation and the source of
the real host; tests/acceptance/host lists it.
"""
