"""``wirewatch run`` before anything runs."""

from pathlib import Path

from tests.scene import Desk


def test_a_role_alone_needs_a_log_and_a_store_that_others_share(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.configure(feeds=[], topics=[])
    refused = desk.wirewatch("run", "--role", "match")
    assert refused.returncode == 2
    assert "[log] url" in refused.stderr
    assert "[store] url" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_role_that_is_not_known_is_refused_with_those_that_are(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.configure(feeds=[], topics=[])
    refused = desk.wirewatch("run", "--role", "publish")
    assert refused.returncode == 2
    assert "fetch" in refused.stderr
