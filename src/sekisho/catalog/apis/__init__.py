"""What users publish: a name of their own for one model, and the defaults that go with it."""
