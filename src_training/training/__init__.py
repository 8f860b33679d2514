"""Training: settings, samples, the one loop and its recipes; importing this package needs no torch."""
