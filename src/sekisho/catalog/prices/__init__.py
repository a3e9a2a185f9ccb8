"""What a model cost when."""
