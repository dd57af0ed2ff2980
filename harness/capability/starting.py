"""A server started for the time of a probe: it knows us, it is empty, and it ends with everything in it."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace

from harness.capability.target import Limits, Target
from harness.config.settings import LOCAL, REMOTE, Instance, Pair
from harness.model import Credentials, Endpoint, Port
from harness.servers import registry
from harness.servers.container_site import ContainerSite
from harness.servers.deploy import deploy
from harness.servers.deployment import Deployment
from harness.servers.guard import Guard
from harness.servers.process import free_port
from harness.servers.product import Asked, Role


@contextlib.contextmanager
def started(
    spec: str,
    asked: Asked | None = None,
    *,
    limits: Limits | None = None,
    read_only: bool = False,
) -> Iterator[Target]:
    """Start the server that `spec` names, as `--remote` does, and end it after the block.

    Raises ConfigError for a name that is none, ServerNotFound and ServerNotReady.
    """
    found = registry.find(spec, asked)
    with Guard() as guard, contextlib.ExitStack() as stack:
        site = None if found.image is None else stack.enter_context(ContainerSite(guard))
        listen = Endpoint("127.0.0.1" if site is None else site.own_address, free_port())
        us = Instance(LOCAL.ae_title, listen.host, Port(listen.port), None, None)
        user = Credentials("alice", secrets.token_hex(12))
        pair = Pair(replace(REMOTE, credentials=user), us)
        server = deploy(found, Role("remote", pair, guard, site))
        stack.callback(server.close)
        target = _target(server)
        yield replace(
            target, calling=us.ae_title, listen=listen,
            read_only=read_only, limits=limits or Limits(),
        )  # fmt: skip


def _target(server: Deployment) -> Target:
    able = server.capabilities.versions
    web = server.dicomweb is not None and any(each.startswith("dicomweb.") for each in able)
    return Target(
        dicom=server.dicom,
        ae_title=server.identity.ae_title,
        calling=LOCAL.ae_title,
        rest=server.rest if "rest" in able else None,
        web=f"http://{server.rest}{server.dicomweb}" if web else None,
        credentials=server.credentials,
        worklists=server.worklists,
        product=server.identity.product,
        version=str(server.identity.version),
        ours=True,
    )
