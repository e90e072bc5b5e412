"""Other clients, one per module: MODULE LIST DIRECTORY JOBS; each checks what it fetched, or fails."""
