"""The proof. `unit` mirrors `src`; `integration` joins parts; `e2e` starts the product; `support` is what they share."""
