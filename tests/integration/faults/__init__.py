"""Rows of the fault matrix, each made to happen; and what must hold whatever happens."""
