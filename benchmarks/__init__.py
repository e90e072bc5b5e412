"""Races over one nginx: this package's command line against other download clients."""
