"""A Functions host: Microsoft's own worker library, fed as the true host feeds it.

`__main__` reads the command line, `running` is the life of the process, `worker` drives
azure-functions-runtime on a thread of its own, `bindings` reads the app's index, `queues`, `timers`
and `web` are its listeners. It emulates what is documented or was read in the host's source;
README and tests/acceptance/host say what.
"""
