# SPDX-License-Identifier: Apache-2.0
"""Fixtures of servers that run from test to test, and of clients that end with their test."""

import os
import secrets
import sys
from pathlib import Path

import pytest

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "slurm"))

from servers import Client, Servers  # noqa: E402

BAO = Path(os.environ.get("BAO", "/var/cache/slurm-secrets-tests/venv/bin/bao"))


@pytest.fixture(scope="module")
def servers():
    if not BAO.exists():
        pytest.skip(f"{BAO} is missing: tests/setup could not install it")
    servers = Servers("127.82.0")
    try:
        servers.up()
        yield servers
    finally:
        servers.down()
    servers.remove()


@pytest.fixture
def start(servers):
    """Starts clients, with other keys of the configuration."""
    clients = []

    def start(**keys):
        clients.append(Client(servers.configuration(**keys)))
        return clients[-1]

    yield start
    for client in clients:
        client.end()


@pytest.fixture
def client(start):
    return start()


@pytest.fixture
def canary():
    """A value that occurs nowhere else."""
    return f"value-{secrets.token_hex(16)}"
