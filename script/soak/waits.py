"""What is promised in time: an answer within two seconds (§3), and nothing lost at a stop (§7)."""

import sqlite3
import threading
import time

import load
from house import House, request

NOBODY = {"firstName": "Jane", "lastName": "Doe"}


def patience(soak):
    """Another program holds the SQLite file; eight and then forty create at once."""
    with House(soak.binary) as house:
        _, key = house.organization()
        server = house.serve()
        slowest, answers, late = 0.0, [], 0
        total = "/api/v1/users?pageSize=1"
        for clients in (8, 40):
            with sqlite3.connect(house.file, timeout=20, isolation_level=None) as other:
                other.execute("begin immediate")
                before = server.wire().ask("GET", total, key).json()["pagination"]["totalCount"]
                until = time.monotonic() + soak.seconds(12)
                took = []

                def one(_):
                    wire = server.wire()
                    while time.monotonic() < until:
                        begun = time.monotonic()
                        status = wire.ask("POST", "/api/v1/users", key, NOBODY).status
                        took.append((time.monotonic() - begun, status))
                        time.sleep(0.2)

                load.in_threads(clients, one)
                ready = server.wire().ask("GET", "/readyz", None)
                other.execute("rollback")
            time.sleep(3)
            after = server.wire().ask("GET", total, key).json()["pagination"]["totalCount"]
            written = sum(status == 200 for _, status in took)
            late += after - before - written
            slowest = max(slowest, max(seconds for seconds, _ in took))
            answers += took
        statuses = {status: sum(s == status for _, s in answers) for _, status in answers}
        yield ("each create is answered in time while another program holds the file",
               f"{slowest:.2f} s at most; {statuses}", "≤ 2 s", slowest <= 2)
        yield ("who was told 503 is never written; /readyz says what is wrong",
               f"{late} written of {statuses.get(503, 0)}; {ready.status} {ready.body.decode()}", "0, 503",
               late == 0 and ready.status == 503)


def stops(soak):
    """SIGTERM under load: 64 requests sent right after it on idle connections, and 32 clients that ask all the time."""
    for engine in ("SQLite", "PostgreSQL"):
        with House(soak.binary, soak.postgres() if engine == "PostgreSQL" else None) as house:
            _, key = house.organization()
            server = house.serve()
            many = max(3, round(soak.seconds(50)))
            lost, sent, codes = [], [0], set()
            for nth in range(many):
                if nth:
                    server.start()
                kept = [server.wire() for _ in range(64)]
                for wire in kept:
                    wire.ask("GET", "/healthz", None)
                answered = [0]

                def busy(_):
                    while True:
                        try:
                            wire = server.wire()
                        except OSError:
                            return  # a connection that is refused has lost nothing
                        while True:
                            sent[0] += 1
                            try:
                                answer = wire.ask("POST", "/api/v1/users", key, NOBODY)
                            except OSError as error:
                                lost.append(f"busy: {error}")
                                return
                            answered[0] += 1
                            if answer.status != 200:
                                lost.append(f"busy: {answer.status}")
                            if answer.headers.get("connection") == "close":
                                break
                        wire.close()

                clients = [threading.Thread(target=busy, args=(n,)) for n in range(32)]
                for client in clients:
                    client.start()
                while answered[0] < 100:
                    time.sleep(0.005)
                server.signal("TERM")
                for wire in kept:
                    sent[0] += 1
                    try:
                        wire.send(request("POST", "/api/v1/users", key, NOBODY))
                    except OSError as error:
                        lost.append(f"kept: {error}")
                for wire in kept:
                    try:
                        status = wire.answer().status
                        if status != 200:
                            lost.append(f"kept: {status}")
                    except OSError as error:
                        lost.append(f"kept: {error}")
                    wire.close()
                for client in clients:
                    client.join()
                codes.add(server.process.wait(timeout=60))
            yield (f"{engine}: {many} stops under load lose nothing that was sent",
                   f"{len(lost)} lost of {sent[0]}; exit {sorted(codes)}{' ' + str(lost[:3]) if lost else ''}", "0", not lost and codes == {0})
