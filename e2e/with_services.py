"""``python -m e2e.with_services COMMAND...``: run a command beside a real
PostgreSQL and a real Redis, with ``DATABASE_URL`` and ``REDIS_URL`` set for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

from e2e.services import postgres_server, redis_server


def main(command: list[str]) -> int:
    """Returns the command's exit code; the servers end with it."""
    with postgres_server() as postgres, redis_server() as redis_url:
        environment = {
            **os.environ,
            "DATABASE_URL": postgres.database(),
            "REDIS_URL": redis_url,
            "REDIS_PREFIX": f"collab-{uuid.uuid4().hex[:8]}",
        }
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
