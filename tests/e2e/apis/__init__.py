"""Published APIs as clients meet them: called by their own names, changed under running workers, withdrawn."""
