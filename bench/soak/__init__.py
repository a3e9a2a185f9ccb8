"""The soak: hours of steady mixed work, and whether anything grows."""
