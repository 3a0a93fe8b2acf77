"""`relevo run`: translates recordings."""
