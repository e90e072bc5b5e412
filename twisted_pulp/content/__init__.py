"""Content types."""

__all__: list[str] = []
