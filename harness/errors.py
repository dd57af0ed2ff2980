"""The harness's own troubles, in one tree.

    HarnessError
      ConfigError           a configuration, an option or a file that cannot be used
      CorpusError           a sample that cannot be made, or came out different
      ToolError             a command-line tool that is missing or could not be run
      ServerError           anything about a server that the harness handles
        ServerNotFound      no executable to start
        ServerNotReady      started, but did not answer in time, or somebody else answered
        ServerUnreachable   an attached server that does not answer
        ServerRefused       it answers, but not to us: credentials, rights

A server's misbehaviour inside a case is not in this tree: it is an assertion that fails.
Each message says what was being done, what was met, and what to try.
"""


class HarnessError(Exception):
    """Base of all errors that the harness raises on purpose."""


class ConfigError(HarnessError):
    """A configuration, an option or a file that cannot be used as it is."""


class CorpusError(HarnessError):
    """A sample object that cannot be made, or whose bytes differ from the catalogue."""


class ToolError(HarnessError):
    """A command-line tool that is missing, or that could not be run at all."""


class ServerError(HarnessError):
    """Base of the errors about a server that the harness handles."""


class ServerNotFound(ServerError):  # noqa: N818 - reads as the sentence it is
    """No executable of the asked server is to be found."""


class ServerNotReady(ServerError):  # noqa: N818
    """A server that was started, but is not ready within its limit."""


class ServerUnreachable(ServerError):  # noqa: N818
    """A server that somebody else started, and that does not answer."""


class ServerRefused(ServerError):  # noqa: N818
    """A server that answers, but refuses us."""
