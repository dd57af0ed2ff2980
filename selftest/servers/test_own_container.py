"""The container of this process is found from its mounts, which may include those of others."""

from harness.servers.container_engine import own_ids

OURS, OTHER = "a" * 64, "b" * 64
HOST = "42 27 254:0 /var/lib/docker /var/lib/docker rw,relatime shared:1 - ext4 /dev/vda rw\n"


def mount(container: str, file: str, below: str = "") -> str:
    """Return the mount line for a file that Docker mounts into a container."""
    root = f"/var/lib/docker/containers/{container}{file.removeprefix('/etc')}"
    return f"46 43 254:0 {root} {below}{file} rw,relatime - ext4 /dev/vda rw,discard\n"


def test_own_files_name_our_container() -> None:
    """A container has its host name and similar files at their usual places."""
    files = ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"]

    assert list(own_ids("".join(mount(OURS, each) for each in files))) == [OURS]


def test_container_that_files_are_copied_into_is_not_ours() -> None:
    """Docker 20.10 briefly mounts its files where the host sees them."""
    below = "/var/lib/docker/overlay2/0123/merged"
    seen = HOST + mount(OTHER, "/etc/hostname", below) + mount(OTHER, "/etc/hosts", below)

    assert list(own_ids(seen)) == []
    assert list(own_ids(mount(OURS, "/etc/hosts") + seen)) == [OURS]
