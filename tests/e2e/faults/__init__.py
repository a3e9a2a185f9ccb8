"""What the product does when either side of it misbehaves: the exact answer and the exact record of each fault."""
