"""Tests without sockets, subprocesses or waiting."""
