"""s2s: sequence-to-sequence translation with attention."""
