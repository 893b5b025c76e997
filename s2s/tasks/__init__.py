"""A training run from options to summary; where translating and classifying differ."""
