# SPDX-License-Identifier: MIT
"""Servers that several tests start."""

import conftest


def listening(net, port):
    return f":{port} " in net.output([conftest.need("ss"), "-Htln"])


def nginx(net, directory, prefix, body, name, connections=4000):
    """One nginx process with this body of its http block; in the foreground of the namespace."""
    folder = directory / name
    folder.mkdir()
    config = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; user root;\n"
        f"events {{ worker_connections {connections}; }}\nhttp {{ access_log off; {temporary}\n{body}\n}}\n"
    )
    return net.popen([*prefix, conftest.need("nginx"), "-e", f"{folder}/error.log", "-c", config])
