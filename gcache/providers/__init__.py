"""Config providers."""
