"""Known issues: failures of a server that are listed outside the cases, in `known/<server>.toml`.

[[issue]]
cases = ["WADO-004-p0[157]", "WADO-014"]    # ids or patterns, parameters included
dies = true                     # the symptom: the server dies or hangs during the case
shows = '^received 400$'        # or: a pattern that is found in the failure as displayed
reason = "dies of SIGSEGV when it transcodes"
ref = "pynetdicom #1001"        # where it was reported, or else
unreported = 2026-11-27         # the day on which it had not been reported yet
clause = "PS3.18 8.7.3"         # optional: the clause that it violates
since = "3.0.0"                 # optional: the first version that has it
fixed = "3.1.0"                 # optional: the first version that no longer has it
with = ["plugin.gdcm", "library.gdcm>=3.0.22"]      # optional: the plugins and libraries that cause it
expires = 2027-03-01            # optional: the day from which the entry no longer applies
passes = "sometimes"            # optional: the case passes or fails by chance
"""

from harness.known.checking import idle, stale
from harness.known.issue import Abilities, Condition, KnownIssue, Sure
from harness.known.judging import Failed, Verdict, concerning, judge
from harness.known.lists import list_of, parse_known, read_known, with_entry

__all__ = [
    "Abilities",
    "Condition",
    "Failed",
    "KnownIssue",
    "Sure",
    "Verdict",
    "concerning",
    "idle",
    "judge",
    "list_of",
    "parse_known",
    "read_known",
    "stale",
    "with_entry",
]
