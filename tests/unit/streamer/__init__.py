"""The streamer's parts."""
