"""What Sekisho decides: values and functions without I/O, clock, loop or log."""
