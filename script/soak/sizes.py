"""What is promised in bytes: small refusals (§5), and bounded memory (§9)."""

import http.server
import threading
import time

import load
from house import House, request

MIB = 1 << 20


def refusal(soak):
    """Bodies of 64 KiB that are wrong in every place, and answers that nobody reads."""
    with House(soak.binary) as house:
        _, key = house.organization()
        server = house.serve()
        ones = "[" + ",".join(["1"] * 32_500) + "]"
        bodies = {"webhooks": f'{{"url":1,"events":{ones}}}', "users": f'{{"firstName":"A","lastName":"B","providerPayors":{ones}}}'}
        most, told = 0, []
        for path, body in bodies.items():
            answer = server.wire().ask("POST", f"/api/v1/{path}", key, body.encode())
            most = max(most, len(answer.body))
            told.append(f"{answer.status}, {len(answer.body)} bytes")
        yield "a refusal of 64 KiB that are wrong everywhere is small", "; ".join(told), "≤ 16 KiB", most <= 16 << 10

        # The largest list there is, asked for again and again on connections that never read.
        org, key = house.organization("Many")
        house.import_users(org, ({"firstName": "Ä" * 90, "lastName": "Ö" * 90} for _ in range(1_000)))
        server.wire().ask("GET", "/api/v1/users?pageSize=100", key)
        connections = 200
        before = server.resident()[0]
        wires = []
        for _ in range(connections):
            wire = server.wire(receive_buffer=4096)
            wire.socket.setblocking(False)
            try:
                wire.socket.send(request("GET", "/api/v1/users?pageSize=100", key) * 64)
            except BlockingIOError:
                pass
            wires.append(wire)
        most, until = before, time.monotonic() + soak.seconds(8)
        while time.monotonic() < until:
            most = max(most, server.resident()[0])
            time.sleep(0.05)
        each = max(0, most - before) / connections / 1024
        yield ("what is held for a connection that does not read", f"{each:.0f} KiB each of {connections}", "≤ 256 KiB", each <= 256)


class Failing(http.server.BaseHTTPRequestHandler):
    """A receiver that answers 500, slowly and at length."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b"x" * 100_000
        self.send_response(500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def memory(soak):
    """Mixed load at full speed over a database that is not new: the resident set over time."""
    yield _memory(soak, failing=False)


def memory_webhooks(soak):
    """The same, and a hundred webhooks that fail slowly."""
    yield _memory(soak, failing=True)


def _memory(soak, failing):
    seconds = soak.seconds(1800)
    with House(soak.binary) as house:
        organizations = [house.organization(f"Soak {nth}") for nth in range(20)]
        keys = [key for _, key in organizations]
        server = house.serve("--rate-limit", "1000000", "--webhook-inside", "127.0.0.1")
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        if failing:
            for key in keys:
                for nth in range(5):
                    url = f"http://127.0.0.1:{receiver.server_port}/{nth}"
                    answer = server.wire().ask("POST", "/api/v1/webhooks", key, {"url": url})
                    assert answer.status == 200, answer.body
        # A database that is not new, so that what may be kept of it is kept.
        for org, _ in organizations:
            house.import_users(org, ({"firstName": "Wanda", "lastName": f"Soak{n}", "email": f"v{n}@example.com"} for n in range(10_000)))
        sizes, kept, begun = [], "", time.monotonic()
        with load.Load(2, load.mixed, server.port, keys) as clients:
            while time.monotonic() < begun + seconds:
                time.sleep(min(5, seconds / 20))
                resident, anonymous = server.resident()
                sizes.append((time.monotonic() - begun, resident / MIB))
                kept += f"{sizes[-1][0]:.0f} {sizes[-1][1]:.1f} {anonymous / MIB:.1f}\n"
            done = sum(clients.end())
        users = sum(server.wire().ask("GET", "/api/v1/users?pageSize=1", key).json()["pagination"]["totalCount"] for key in keys)
        receiver.shutdown()
        soak.keep("memory" + (" webhooks" if failing else ""), kept)  # second, MiB, MiB that are no file's
        third = len(sizes) // 3
        first, middle, end = ([size for _, size in sizes[n * third : (n + 1) * third]] for n in range(3))
        what = "mixed load" + (", a hundred webhooks that fail" if failing else "")
        return (f"memory under {what}, {seconds / 60:.0f} min",
               f"{max(size for _, size in sizes):.0f} MiB at most; thirds {max(first):.0f}, {max(middle):.0f}, {max(end):.0f} "
               f"({done} requests, {users} users)", "≤ 200 MiB", max(size for _, size in sizes) <= 200)
