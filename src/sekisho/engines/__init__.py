"""Engines on this machine: the built-in one, which serves the GGUF files of the home, and those that already run here."""
