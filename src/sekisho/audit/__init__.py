"""What the house refused."""
