"""The nights of a suite one after another, each with the few numbers of its newest verdict."""
