"""The training loop, its optimizer and schedule, and how a run resumes."""
