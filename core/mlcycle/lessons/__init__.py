"""The tour: stations, checks of what was really done, a sandbox. Nothing here yet."""
