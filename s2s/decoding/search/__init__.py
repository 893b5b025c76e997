"""The search for a translation, on tensors only."""
