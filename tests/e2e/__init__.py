"""Each of these starts the whole product and drives it over its real ports."""
