"""How the tables of one version become those of the next."""

__all__ = ["HEAD"]

#: The newest revision in `versions`; here too, so that nobody must read those to know it.
HEAD = "0010"
