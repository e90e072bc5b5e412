"""Which page is where."""

from twisted_pulp.dashboard import _catalog, _errors, _jobs, _overview, _repositories, _settings, _submit

__all__ = ["ROUTES"]

ROUTES = (
    *_overview.ROUTES,
    *_jobs.ROUTES,
    *_submit.ROUTES,
    *_repositories.ROUTES,
    *_catalog.ROUTES,
    *_errors.ROUTES,
    *_settings.ROUTES,
)
