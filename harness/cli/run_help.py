"""The text of `harness run --help`: options in groups, and examples.

`--help-pytest` shows pytest's own help.
"""

import argparse
import shutil

from harness.plugin.options import Group, add_groups

DESCRIPTION = """\
Test a DICOM server. Without a CASE, all cases run, in parallel; each worker has a remote and a local server
of its own. If no server is named, the harness starts Orthanc. The run ends with a verdict, and a report in
runs/latest/report.html.

CASE is one of these, or a quoted pattern:
  an id                 CFIND-014   'CFIND-*'   CFIND-026-c01 (with parameters)
  a name                test_findscu_counters   Orthanc.test_findscu_counters (from Orthanc's own suites)
  a clause              'PS3.8 9.3*'   'PS3.18 *'
"""
EXAMPLES = """\
examples:
  harness run                                      all cases, on the Orthanc that is installed here
  harness run CFIND-014                            one case
  harness run 'PS3.8 9.3*' --remote dcmqrscp       the cases of a clause, on another server
  harness run --level must --image NAME            only what the standard requires, on a container image
  harness run --orthanc ~/build/Orthanc            on your own build
  harness run --server 192.0.2.7                   on a server that is already running
  harness run 'CMOVE-*' --repeat 5                 five times, with a table of the differences
  harness run --keep-exchanges -k findscu          with the exchanges of passed cases, too

Exit code: 0 if no case failed, 1 if one did, 2 after an interruption, 4 for a usage error, 5 if no case ran.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return a parser of the options of the harness and the most common ones of pytest."""
    parser = argparse.ArgumentParser(
        prog="harness run",
        usage="harness run [CASE ...] [options] [pytest options]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=_formatter,
        add_help=False,
    )

    def group(title: str) -> Group:
        return parser.add_argument_group(title).add_argument

    add_groups(group)
    add = parser.add_argument_group("how often, and how").add_argument
    add("--repeat", metavar="N", help="run N times in sequence, and show the differences")
    add(
        "-n",
        metavar="N",
        help="number of workers; 0 runs everything in this process (default: up to 4)",
    )
    add(
        "-k",
        metavar="EXPRESSION",
        help="run the cases whose names match, as in pytest: 'find and not worklist'",
    )
    add("-x", action="store_true", help="stop at the first failure")
    add(
        "--pdb",
        action="store_true",
        help="start the debugger when a case fails, while its servers are running",
    )
    add("--help-pytest", action="store_true", help="list all options of pytest")
    return parser


def text() -> str:
    """Return the help."""
    return make_parser().format_help()


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = min(shutil.get_terminal_size().columns, 110)
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=width)
