"""Settings: what a user says about an upstream, checked when it is said."""

from twisted_pulp.settings._files import read_settings, write_settings
from twisted_pulp.settings._remote import TLS, Remote
from twisted_pulp.settings._values import Limits, Retry, Timeouts

__all__ = ["TLS", "Limits", "Remote", "Retry", "Timeouts", "read_settings", "write_settings"]
