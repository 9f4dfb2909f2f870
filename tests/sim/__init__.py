"""The real chain, driven through every interleaving of a scenario."""
