"""Read by the gateway's gunicorn, as it lies in its directory. Every worker of MCP-Gateway makes or migrates the database
as it boots; side by side on an empty one, some fail and end the gateway with 3. So it is done once, before there are any."""

import subprocess
import sys


def on_starting(_server):
    code = subprocess.run([sys.executable, "-m", "mcpgateway.bootstrap_db"], check=False).returncode
    if code != 0:
        sys.exit(code if code > 0 else 128 - code)
