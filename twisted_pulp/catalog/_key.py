"""The key that seals secrets."""


class Key:
    """Seals secrets."""
