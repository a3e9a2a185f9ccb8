"""Models as somebody wrote them down, many at once."""
