"""The audit with the product itself: rows and changes through kills, what the command line shows, and what a check finds."""
