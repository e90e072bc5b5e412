"""What is known: artifacts, content, repositories and their versions, remotes, runs."""

__all__: list[str] = []
