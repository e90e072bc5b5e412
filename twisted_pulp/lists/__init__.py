"""Lists of downloads: JSON lines, plain URLs, PULP_MANIFEST or metalink; and their reports, written as JSON lines."""

from twisted_pulp.lists._inputs import Inputs, file_root_of
from twisted_pulp.lists._reader import Reader, Refused, lines_of
from twisted_pulp.lists._report import ReportFile, refused_line, report_line

__all__ = ["Inputs", "Reader", "Refused", "ReportFile", "file_root_of", "lines_of", "refused_line", "report_line"]
