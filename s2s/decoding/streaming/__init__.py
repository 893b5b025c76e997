"""Lines in, translations out: input, formats, worker processes, resumable output."""
