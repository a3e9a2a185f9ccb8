"""Certificates of the doors: those that Sekisho makes, those it is given, and what can be said of each."""
