"""Who may, how much, where to, at what price: arithmetic with `now` as an argument."""
