"""The exceptions that the harness itself raises, in one hierarchy.

    HarnessError
      ConfigError           a configuration, an option or a file that cannot be used
      CorpusError           a sample that cannot be made, or came out different
      ToolError             a command-line tool that is missing or could not be run
      ServerError           anything about a server that the harness handles
        ServerNotFound      no executable to start
        ServerNotReady      started, but did not answer in time, or another program answered
        ServerUnreachable   an attached server that does not answer
        ServerRefused       it answers, but denies access: credentials, rights

A server that misbehaves in a case does not raise one of these: an assertion fails instead.
Each message says what was being done, what happened, and what to try.
"""


class HarnessError(Exception):
    """Base of all errors that the harness raises on purpose."""


class ConfigError(HarnessError):
    """A configuration, an option or a file cannot be used as it is."""


class CorpusError(HarnessError):
    """A sample object cannot be made, or its bytes differ from the catalogue."""


class ToolError(HarnessError):
    """A command-line tool is missing, or could not be run at all."""


class ServerError(HarnessError):
    """Base of the errors about a server that the harness handles."""


class ServerNotFound(ServerError):  # noqa: N818 - reads as the sentence it is
    """No executable of the requested server was found."""


class ServerNotReady(ServerError):  # noqa: N818
    """A server was started, but was not ready within its time limit."""


class ServerUnreachable(ServerError):  # noqa: N818
    """A server that the harness did not start does not answer."""


class ServerRefused(ServerError):  # noqa: N818
    """A server answers, but refuses access."""
