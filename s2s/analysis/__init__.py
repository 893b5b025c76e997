"""What is measured for people: gradients, gates, attention, speed, comparisons of runs."""
