"""Python package indexes: which there are, what they have, and which of it is the newest."""
