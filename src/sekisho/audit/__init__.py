"""What the house refused, and who changed what in it."""
