"""A person leaves: with a copy of what concerns them, and with nothing of them left but a pseudonym."""
