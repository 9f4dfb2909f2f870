"""The engine: keys, policy, epochs, envelope, flights and the chain. It knows no backend."""
