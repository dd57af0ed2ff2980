"""An image that contains a server: found or pulled, and asked for its version."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, ServerError
from harness.model import Version
from harness.servers.container_engine import Engine, connect, is_not_found, speaking
from harness.servers.container_labels import new_labels, remove_run
from harness.servers.product import Build, Spec

if TYPE_CHECKING:
    from harness.servers.adapter import Adapter


@dataclass(frozen=True)
class Look:
    """The inspection of an image: the output of a program in it, and the container, now ended."""

    name: str
    id: str
    configuration: Mapping[str, Any]
    said: str
    engine: Engine
    container: str

    def version(self, pattern: str, program: str) -> Version:
        """Return the version that the program printed. Raises ConfigError if the image lacks it."""
        found = re.search(pattern, self.said, re.MULTILINE)
        if found is not None:
            return Version(found.group(1))
        met = (
            f"its --version printed {self.said.splitlines()[0]!r}"
            if self.said.strip()
            else "none on its PATH"
        )
        example = ", such as orthancteam/orthanc" if program == "Orthanc" else ""
        raise ConfigError(
            f"--image {self.name}: the image has no {program} ({met}); use an image that has it{example}"
        )

    def has(self, path: str) -> bool:
        """Return whether the image has a file; the SDK would transfer it as well."""
        api = self.engine.api
        answer = api.head(
            f"{api.base_url}/v{api.api_version}/containers/{self.container}/archive",
            params={"path": path},
            timeout=api.timeout,
        )
        return bool(answer.ok)


@contextlib.contextmanager
def looking_into(engine: Engine, name: str, *argv: str) -> Iterator[Look]:
    """Find the image `name`, or pull it, and run `argv` in it, without network access.

    Raises ConfigError if there is no such image.
    """
    try:
        with speaking(f"--image {name}"):
            found = engine.api.inspect_image(name)
    except ServerError as error:
        if not is_not_found(error):
            raise ConfigError(str(error)) from error
        found = _pull(engine, name)
    labels = new_labels(engine)
    api = engine.api
    try:
        with speaking(f"--image {name}: inspecting it"):
            host = api.create_host_config(network_mode="none", init=True)
            container = str(
                api.create_container(
                    found["Id"], entrypoint=[argv[0]], command=list(argv[1:]), labels=labels,
                    host_config=host,
                )["Id"]
            )  # fmt: skip
            said = ""
            try:
                with speaking(f"--image {name}: starting {argv[0]}"):
                    api.start(container)
                    api.wait(container)
                    said = api.logs(container).decode(errors="replace")
            except ServerError as error:
                if "executable file not found" not in str(error):
                    raise
            yield Look(name, found["Id"], found["Config"], said, engine, container)
    finally:
        remove_run(engine, labels)


def find_program_in(
    asked: Spec,
    product: str,
    make: "type[Adapter]",
    argv: Sequence[str],
    *,
    pattern: str = r"^(\d+(?:\.\d+)+)$",
    process: str = "",
) -> Build:
    """Find a program in the requested image; `argv` prints its version."""
    assert asked.image is not None
    with contextlib.closing(connect()) as engine, looking_into(engine, asked.image, *argv) as look:
        return Build(
            product, look.version(pattern, product), make,
            image=look.name, image_id=look.id, process=process, limits=asked.limits,
        )  # fmt: skip


def _pull(engine: Engine, name: str) -> Any:
    try:
        with speaking(f"--image {name}: it is not available locally, and could not be pulled"):
            return engine.images.pull(name).attrs
    except ServerError as error:
        raise ConfigError(
            f"{error}; `docker images` lists local images, `docker load` loads one from a file"
        ) from error
