"""Apache Kafka's jars from Maven Central, fetched once and kept in the user's cache folder."""

import fcntl
import os
import shutil
from pathlib import Path

VERSION = "4.3.1"
LOG4J = "2.25.3"
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{VERSION}",
    f"org.apache.kafka:kafka-clients:{VERSION}",  # left to mediation it becomes 3.9.1: NoSuchMethodError at start
    f"org.apache.kafka:kafka-tools:{VERSION}",
    f"org.apache.logging.log4j:log4j-core:{LOG4J}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J}",  # not slf4j2-impl: Kafka brings slf4j 1.7
)


def folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wirewatch" / f"kafka-{VERSION}"


def class_path() -> Path:
    """A file for `java @file` that names the jars: 12 KB of them, too long to be read in a list of processes.

    The first call on a machine downloads 59 MB, in half a minute; later ones need no network. The file is written last:
    jgo takes any jar of the right name for a finished download, so what an interrupted run left behind is thrown away.
    """
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    listing, jars = home / "class-path", home / "repository"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the test processes of one run all ask at once
        if not listing.exists():
            shutil.rmtree(jars, ignore_errors=True)
            found = os.pathsep.join(map(str, _download(jars)))
            listing.with_suffix(".new").write_text(f'-cp "{found}"', encoding="utf-8")
            listing.with_suffix(".new").rename(listing)
    return listing


def _download(repository: Path) -> list[Path]:
    from jgo.maven import MavenContext
    from jgo.parse import Endpoint

    # jgo.build() would also fetch a JDK of 190 MB, to sort the jars into modules and others, which nobody needs here
    maven = MavenContext(repo_cache=repository, timeout=30)
    wanted = [maven.create_dependency(one) for one in Endpoint.parse("+".join(COORDINATES)).coordinates]
    inputs, others = maven.resolver.resolve(wanted)
    needed = [*inputs, *(other for other in others if other.scope in ("compile", "runtime"))]
    return [one.artifact.resolve() for one in needed]
