"""Times the single steps of the hot path, each as the worker calls it. Says where time goes; the budgets are those of `bench`."""
