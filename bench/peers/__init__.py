"""Other gateways beside us, each as its own documentation starts it, before the same upstream and under the same load."""
