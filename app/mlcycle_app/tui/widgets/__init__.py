"""Small widgets, one a file; none knows a phase."""
