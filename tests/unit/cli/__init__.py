"""The command line against a simulator of the node and one of the gateway; no part of the command line itself is replaced."""
