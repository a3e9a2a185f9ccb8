"""Inputs that nobody thought of: generated, mutated, cut anywhere. Nothing may crash, grow without bound, or be read in two ways."""
