"""Search, and the translator around it."""
