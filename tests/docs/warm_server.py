"""The command `ostinato` from a process that has imported everything: a fork a call.

    python warm_server.py SOCKET        serves, until it is ended
    warm_server.py's `COMMAND`          the program that asks it, under the name `ostinato`

A page of the documentation calls `ostinato` a dozen times, and each time Python would spend seconds
on importing torch. The forked process has the folder, environment and streams of its caller.
"""

import importlib
import json
import os
import pkgutil
import socket
import sys

COMMAND = """#!{python} -SE
import json, os, socket, sys
asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
asked.connect({path!r})
told = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(asked, [len(told).to_bytes(8, "big")], [0, 1, 2])
asked.sendall(told)
sys.exit(int.from_bytes(asked.recv(1) or b"\\1", "big"))
"""


def _read(asked: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        read += asked.recv(size - len(read))
    return read


def _answer(asked: socket.socket) -> None:
    """Run one command, in this forked process, and tell its exit code."""
    size, streams, _, _ = socket.recv_fds(asked, 8, 3)
    words, folder, environment = json.loads(_read(asked, int.from_bytes(size, "big")))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["ostinato", *words]
    from ostinato.cli.main import main

    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    asked.sendall(code.to_bytes(1, "big"))


def _import_everything() -> None:
    """Modules only: nothing is computed, so that no thread runs when the process is forked."""
    import ostinato

    for module in pkgutil.walk_packages(ostinato.__path__, "ostinato."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("torch._dynamo", "torch._inductor.config", "sympy", "matplotlib.pyplot", "scipy"):
        importlib.import_module(name)


def serve(path: str) -> None:
    """Answer every call on the socket at `path`, one at a time."""
    _import_everything()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path + ".new")
        listening.listen()
        os.rename(path + ".new", path)  # whoever finds it can be answered
        while True:
            asked, _ = listening.accept()
            process = os.fork()
            if process == 0:
                _answer(asked)
                os._exit(0)
            asked.close()
            os.waitpid(process, 0)


if __name__ == "__main__":
    serve(sys.argv[1])
