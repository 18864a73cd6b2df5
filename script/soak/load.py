"""Load from a process of its own, so that the clock of whoever measures is not held up by it."""

import json
import multiprocessing
import random
import threading
import time

from house import Wire, request

PIPELINED = 8  # requests sent together: Python is the slower side otherwise
CONNECTIONS = 16  # of one process


class Load:
    """Runs `act(port, key, stop, results)` in so many processes, until it is left."""

    def __init__(self, count, act, *arguments):
        self.stop = multiprocessing.Event()
        self.results = multiprocessing.Queue()
        self.processes = [
            multiprocessing.Process(target=act, args=(nth, self.stop, self.results, *arguments), daemon=True)
            for nth in range(count)
        ]

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def end(self):
        """Stops, and returns what each process put."""
        self.stop.set()
        results = [self.results.get(timeout=60) for _ in self.processes]
        for process in self.processes:
            process.join(timeout=10)
        return results

    def __exit__(self, *_):
        self.stop.set()
        for process in self.processes:
            process.join(timeout=5)
            if process.is_alive():
                process.kill()


def in_threads(count, act):
    threads = [threading.Thread(target=act, args=(nth,)) for nth in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def searches(_, stop, results, port, key, path, clients):
    """So many clients ask for the same again and again. Tells the seconds each answer took, and their statuses."""
    took, statuses = [], {}

    def one(_):
        wire = Wire(port)
        while not stop.is_set():
            begun = time.perf_counter()
            try:
                status = wire.ask("GET", path, key).status
            except OSError:
                status, wire = None, Wire(port)
            took.append(time.perf_counter() - begun)
            statuses[status] = statuses.get(status, 0) + 1

    in_threads(clients, one)
    results.put((took, statuses))


def creates(nth, stop, results, port, key, clients, pace):
    """So many clients create users, each at most one in `pace` seconds. Tells how many were created, and refused."""
    created, refused = [0] * clients, [0] * clients

    def one(client):
        wire, number = Wire(port), 0
        while not stop.is_set():
            number += 1
            body = {"firstName": "Wanda", "lastName": "Wu", "email": f"w{nth}-{client}-{number}-{time.time_ns()}@example.com"}
            if wire.ask("POST", "/api/v1/users", key, body).status == 200:
                created[client] += 1
            else:
                refused[client] += 1
            time.sleep(pace)

    in_threads(clients, one)
    results.put((sum(created), sum(refused)))


def mixed(nth, stop, results, port, keys):
    """Creates, gets, lists, searches, filters and refusals at full speed, over organizations and connections. Tells how
    many."""
    rng, done, ids = random.Random(nth), 0, {key: [] for key in keys}
    wires = [Wire(port) for _ in range(CONNECTIONS)]
    while not stop.is_set():
        under_way = []
        for place, wire in enumerate(wires):
            key = rng.choice(keys)
            try:
                wire.send(b"".join(_one(rng, key, ids[key]) for _ in range(PIPELINED)))
                under_way.append((place, wire, ids[key]))
            except OSError:
                wires[place] = Wire(port)
        for place, wire, own in under_way:
            try:
                for _ in range(PIPELINED):
                    answer = wire.answer()
                    done += 1
                    if answer.status == 200 and answer.body.startswith(b'{"message"') and len(own) < 5000:
                        own.append(json.loads(answer.body)["user"]["publicId"])
            except OSError:
                wires[place] = Wire(port)
    results.put(done)


def _one(rng, key, own):
    dice = rng.random()
    if dice < 0.4 or not own:
        name = f"{rng.choice('ABCDEFGH')}{rng.choice(['eatrice', 'orge', 'ndrew', 'élène'])}"
        body = {"firstName": name, "lastName": f"Soak{rng.randrange(10**6)}", "role": rng.choice(["PATIENT", "CLINICIAN"])}
        if rng.random() < 0.6:
            body["email"] = f"u{rng.randrange(10**9)}@example.com"
        return request("POST", "/api/v1/users", key, body)
    if dice < 0.65:
        return request("GET", f"/api/v1/users/{rng.choice(own)}", key)
    if dice < 0.8:
        return request("GET", f"/api/v1/users?pageSize={rng.choice([25, 100])}&page={rng.randrange(1, 40)}", key)
    if dice < 0.85:
        return request("GET", f"/api/v1/users?search=soak{rng.randrange(10**4)}", key)
    if dice < 0.9:
        return request("GET", f"/api/v1/users?email=u{rng.randrange(10**9)}@example.com", key)
    if dice < 0.95:
        return request("GET", f"/api/v1/users?role=CLINICIAN&page={rng.randrange(1, 40)}", key)
    return request("POST", "/api/v1/users", key, {"firstName": 1, "role": "BOSS", "email": "x"})


def part(values, share):
    """The value below which this share of the values is; `None` without any."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else None
