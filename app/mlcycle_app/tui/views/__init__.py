"""The eight views, one a phase. They never import each other."""
