#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Serves the app of a folder below a prefix, with a WSGI environment like Passenger's, and prints its port.

    passenger_stand_in.py FOLDER PREFIX

As Passenger does, it takes PATH_INFO as it is in the request, gives "/" if nothing is left of it, and sets REQUEST_URI.
"""

import importlib.util
import socketserver
import sys
import wsgiref.simple_server
from pathlib import Path


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    prefix = ""

    def get_environ(self):
        environ = super().get_environ()
        path = self.path.partition("?")[0]
        environ["REQUEST_URI"] = self.path
        environ["SCRIPT_NAME"] = self.prefix
        environ["PATH_INFO"] = path[len(self.prefix):] or "/"
        return environ


def load(folder):
    spec = importlib.util.spec_from_file_location("passenger_wsgi", Path(folder) / "passenger_wsgi.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.application


def main():
    folder, Handler.prefix = sys.argv[1:]
    with wsgiref.simple_server.make_server("127.0.0.1", 0, load(folder), Server, Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
