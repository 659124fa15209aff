"""Known attacks, tried on real servers and in a real browser."""
