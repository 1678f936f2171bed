"""Read by the gateway's gunicorn, as it lies in its directory. Every worker of MCP-Gateway makes or migrates the database
as it boots; side by side on an empty one, some fail and end the gateway with 3. So it is done once, before there are any."""

import subprocess
import sys


def on_starting(_server):
    code = subprocess.run([sys.executable, "-m", "mcpgateway.bootstrap_db"], check=False).returncode
    if code != 0:
        sys.exit(code if code > 0 else 128 - code)


def post_fork(_server, _worker):
    """With --preload the application was loaded in the master. Two things of it do not survive the fork: connections of the
    database's pool, which all workers would share, and the lock by which one worker is chosen to check the peers. filelock 4
    refuses one that another process made, and the gateway tries again at once, for ever: no worker would answer."""
    main = sys.modules.get("mcpgateway.main")
    if main is None:
        return
    sys.modules["mcpgateway.db"].engine.dispose(close=False)
    service = getattr(main, "gateway_service", None)
    lock = getattr(service, "_file_lock", None)
    if lock is not None:
        service._file_lock = type(lock)(lock.lock_file)
