"""The command line with the product itself, up and down."""
