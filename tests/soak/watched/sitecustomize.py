"""Imported by every Python that is started with this folder on its path: what it does with sockets, line by line.

A line is written to the file that LIGHTVESSEL_SOCKET_LOG names when a process starts, and whenever one makes a
socket of the internet, binds or connects any socket, sends to an address, or looks a host's name up.
"""

from __future__ import annotations

import json
import os
import socket
import sys

_INTERNET = (socket.AF_INET, socket.AF_INET6)
_WATCHED = {
    "socket.bind",
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.getnameinfo",
}


def _watch() -> None:
    log = os.open(os.environ["LIGHTVESSEL_SOCKET_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(event: str, arguments: object) -> None:
        line = {"pid": os.getpid(), "event": event, "arguments": arguments, "of": sys.orig_argv[1:4]}
        os.write(log, f"{json.dumps(line)}\n".encode())

    def hook(event: str, arguments: tuple) -> None:
        if event == "socket.__new__" and arguments[1] in _INTERNET:
            write(event, str(arguments[1]))
        elif event in _WATCHED and not _to_the_screen(arguments):
            write(event, repr(arguments[1:])[:200])

    write("started", "")
    sys.addaudithook(hook)


def _to_the_screen(arguments: tuple) -> bool:
    """A Unix socket of the X server is the screen, and no way out."""
    to = arguments[1] if len(arguments) > 1 else None
    if isinstance(to, bytes):
        to = to.decode(errors="replace")
    return isinstance(to, str) and to.lstrip("\0").startswith("/tmp/.X11-unix/")


def _planted() -> None:
    """The bug that must be seen: the process of a run calls home."""
    if os.environ.get("LIGHTVESSEL_SOAK_BUG") == "a run calls home" and "run" in sys.orig_argv:
        with socket.socket() as home:
            home.connect_ex(("127.0.0.1", 9))


if "LIGHTVESSEL_SOCKET_LOG" in os.environ:
    _watch()
    _planted()
