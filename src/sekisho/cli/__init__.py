"""The command line: a client of the management API that acts as the local owner, with the server up or down.

`main.py` is the entry and holds the one list of commands; each command group has a module of its own name. Results go to stdout,
everything else to stderr. Heavy libraries are imported where a command needs them, so that `version` and `serve` stay light.
"""
