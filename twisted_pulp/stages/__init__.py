"""Declarative sync: stages that run at once, and the channels between them."""

__all__: list[str] = []
