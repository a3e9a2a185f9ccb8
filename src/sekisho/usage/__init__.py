"""What was called, and what it came to. Reads what the recorder writes; changes nothing."""
