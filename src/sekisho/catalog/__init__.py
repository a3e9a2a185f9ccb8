"""Where models are served, what opens those places, which models there are and what they cost."""
