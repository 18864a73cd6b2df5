"""What the soak runs: Roster's processes, a PostgreSQL of its own, and HTTP over plain sockets."""

import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Answer:
    """An HTTP answer: status, headers (names in lower case), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Wire:
    """One connection. It sends requests as they are and reads answers in order."""

    def __init__(self, port, timeout=30, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the connection closed")
        self.rest += data

    def answer(self):
        while (end := self.rest.find(b"\r\n\r\n")) < 0:
            self._more()
        lines = self.rest[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = end + 4 + int(headers.get("content-length", "0"))
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[end + 4 : length], self.rest[length:]
        return Answer(int(lines[0].split(" ")[1]), headers, body)

    def ask(self, method, path, key, body=None):
        self.send(request(method, path, key, body))
        return self.answer()

    def close(self):
        self.socket.close()


def request(method, path, key, body=None):
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
    if key:
        head += f"Authorization: Bearer {key}\r\n"
    if body is None:
        return (head + "\r\n").encode()
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


class House:
    """A database, and the commands and servers on it."""

    def __init__(self, binary, postgres=None):
        self.binary = binary
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
        self.file = self.folder / "roster.db"
        self.url = postgres.database() if isinstance(postgres, Postgres) else postgres or f"sqlite:{self.file}"
        self.servers = []

    def run(self, *arguments, stdin=None):
        """Runs a command and returns what it printed."""
        done = subprocess.run(
            [self.binary, *arguments], env={**os.environ, "ROSTER_DATABASE": self.url}, input=stdin, capture_output=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"{arguments[:2]}: {done.stderr.decode(errors='replace')[:2000]}")
        return done.stdout.decode()

    def organization(self, name="Soak"):
        """Makes an organization, and returns its id and an ADMIN key."""
        org = self.run("org", "create", name).split()[-1]
        key = self.run("key", "create", "--org", org, "--role", "ADMIN", "--name", "soak").split()[-1]
        return org, key

    def import_users(self, org, bodies):
        lines = "".join(json.dumps(body) + "\n" for body in bodies).encode()
        return self.run("import", "--org", org, "-", stdin=lines)

    def serve(self, *arguments):
        server = Server(self, arguments)
        self.servers.append(server)
        server.start()
        return server

    def close(self):
        for server in self.servers:
            server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server:
    """A `roster serve` on a port that stays the same over restarts."""

    def __init__(self, house, arguments):
        self.house, self.arguments = house, arguments
        self.port, self.metrics_port = free_port(), free_port()
        self.process = None
        self.log = house.folder / f"log-{self.port}"

    def start(self, wait=30):
        """Starts it. Waits at most so many seconds until it answers; 0: does not wait."""
        self.process = subprocess.Popen(
            [self.house.binary, "serve", "--listen", f"127.0.0.1:{self.port}",
             "--metrics-listen", f"127.0.0.1:{self.metrics_port}", *self.arguments],
            env={**os.environ, "ROSTER_DATABASE": self.house.url}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"),
        )
        end = time.monotonic() + wait
        while time.monotonic() < end:
            try:
                wire = Wire(self.port)
                if wire.ask("GET", "/healthz", None).status == 200:
                    return wire.close()
            except OSError:
                time.sleep(0.01)
            if self.process.poll() is not None:
                break
        if wait:
            raise RuntimeError(f"it does not start: {self.log.read_text()[-2000:]}")

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, name):
        self.process.send_signal(getattr(signal, f"SIG{name}"))

    def kill(self):
        if self.runs():
            self.signal("CONT")
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self):
        """Stops it with SIGTERM, and returns its exit code."""
        self.signal("TERM")
        return self.process.wait(timeout=60)

    def wire(self, **options):
        return Wire(self.port, **options)

    def resident(self):
        """Resident memory in bytes: all, and what is no file's."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "RssAnon"))}
        return int(sizes["VmRSS"]) << 10, int(sizes["RssAnon"]) << 10

    def metric(self, name):
        wire = Wire(self.metrics_port)
        text = wire.ask("GET", "/metrics", None).body.decode()
        wire.close()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), None)


class Postgres:
    """A PostgreSQL server in a folder of its own, as the user postgres where we are root."""

    def __init__(self, *settings, follows=None):
        """`follows`: the server whose standby this one is to be."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="soak-pg-"))
        self.data, self.port, self.made = self.folder / "data", free_port(), 0
        self.settings, self.synchronous, self.standby = settings, "", None
        self.as_user = []
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        if follows:
            self.follow(follows)
        else:
            self._run("initdb", "--auth=trust", "--username=roster", "--encoding=UTF8", "--locale=C", "-D", self.data)
            self.start()

    def follow(self, primary):
        """Becomes the primary's standby, whatever it was before. Commits there wait for it from now on."""
        shutil.rmtree(self.data, ignore_errors=True)
        self._run("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "-D", self.data, "-d", primary.url("postgres"))
        self.start()
        self.standby, self.synchronous = None, "*"
        primary.standby = self
        primary.wait_for("*")

    def wait_for(self, standbys):
        self.synchronous = standbys
        self.sql(f"alter system set synchronous_standby_names = '{standbys}'")
        self.reload()

    def fail_over(self):
        """This server dies, its standby takes over, and this one becomes the standby. Returns the new primary."""
        new = self.standby
        self.signal("KILL")
        new._run("pg_ctl", "promote", "--wait", "--silent", "-D", new.data)
        self.follow(new)
        return new

    @staticmethod
    def is_here():
        return bool(shutil.which("initdb") or glob.glob("/usr/lib/postgresql/*/bin/initdb"))

    def _run(self, program, *arguments):
        found = shutil.which(program) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
        command = [*self.as_user, found, *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              cwd=self.folder) if program != "pg_ctl" else subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {(done.stderr or b'').decode()[:2000]}")

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c max_connections=200"
        options += "".join(f" -c {setting}" for setting in self.settings)
        self._run("pg_ctl", "start", "--wait", "--silent", "--log", self.folder / "log", "--options", options, "-D", self.data)

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode", mode, "-D", self.data)

    def pids(self):
        """The server's processes: the first is the one that started the others."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        children = pathlib.Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def signal(self, name):
        for pid in self.pids():
            try:
                os.kill(pid, getattr(signal, f"SIG{name}"))
            except ProcessLookupError:
                pass

    def url(self, database):
        hosts = [self, self.standby] if self.standby else [self]
        return f"postgres://roster@{','.join(f'127.0.0.1:{each.port}' for each in hosts)}/{database}"

    def sql(self, statement, database="postgres"):
        self._run("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
                  f"postgres://roster@127.0.0.1:{self.port}/{database}", "--command", statement)

    def database(self):
        self.made += 1
        self.sql(f"create database soak_{self.made}")
        return self.url(f"soak_{self.made}")

    def reload(self):
        self._run("pg_ctl", "reload", "--silent", "-D", self.data)

    def close(self):
        try:
            self.signal("CONT")
            self.stop()
        except (RuntimeError, OSError):
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
