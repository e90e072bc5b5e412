"""Tests of twisted_pulp and the servers they run against."""
