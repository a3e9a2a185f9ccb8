"""How the parts become a product: settings, the one composition root, and the processes. Only the CLI stands above."""
