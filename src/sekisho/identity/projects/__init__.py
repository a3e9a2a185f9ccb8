"""Teams and what they own: projects and their members."""
