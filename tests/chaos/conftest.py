"""What the chaos suites print at the end, so that any schedule can be played again."""

import pytest

from tests.support.chaos.reports import REPORTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for title, lines in REPORTS:
        terminalreporter.write_sep("-", f"chaos: {title}")
        for line in lines:
            terminalreporter.write_line(line)
