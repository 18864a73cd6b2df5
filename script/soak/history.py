"""Checks what Roster promises by its history: who was acknowledged, and who is seen, while processes are killed.

    python3 script/soak/history.py [--seconds N] [--seed N] [--postgres [URL]] [--sabotage NAME] [--prove]

It knows nothing of Roster but its API. It checks:
- A user who was answered 200, or whom any read has shown, is in every read that begins later.
- What was answered 503, 429 or 400 is never there. What was answered 504, or nothing at all, is there or not; where
  `Location` named an id, it is there under that id only.
- A walk by `Link: rel="next"` repeats nobody and skips nobody, in both orders and with a filter by role. Of two walks
  in creation order, the shorter is the beginning of the longer.
- An e-mail finds one user at most, and one where it was told to be taken. `totalCount` is not too low, nor too high.
- After each fault, creates succeed again within half a minute. No answer has a status that nobody expects.

The seed makes the schedule of faults, and what each client does next. How the threads interleave is not repeated.
"""

import argparse
import os
import pathlib
import random
import shutil
import sqlite3
import sys
import threading
import time

from house import House, Postgres, Wire

USERS_OF_ONE = 3000  # then the next organization is filled: walks stay short
CREATES_A_SECOND = 200
ROLES = ["CLINICIAN", "TECHNICIAN", "PATIENT", "CAREGIVER"]


def token(number):
    """Eight letters that no other number has: to be found by a search for them."""
    letters = ""
    for _ in range(7):
        number, letter = divmod(number, 26)
        letters = chr(ord("a") + letter) + letters
    return "Q" + letters


class Attempt:
    """One create: what was sent, and what became of it."""

    def __init__(self, name, role, email):
        self.name, self.role, self.email = name, role, email
        self.outcome, self.id = "under way", None

    def is_refused(self):
        return self.outcome in ("refused", "taken")


class Organization:
    """What is known of one organization. `known` only grows, so its length is a moment in the history."""

    def __init__(self, key):
        self.key = key
        self.attempts, self.known, self.of_id = {}, [], {}
        self.refused = 0
        self.holder, self.taken = {}, set()
        self.longest = []  # the longest walk in creation order


class History:
    """All organizations, what went wrong, and what was counted."""

    def __init__(self, keys, seed):
        self.lock = threading.Lock()
        self.organizations = [Organization(key) for key in keys]
        self.made, self.counts, self.faults, self.wrong = 0, {}, {}, []
        self.seed, self.slowest_return = seed, 0.0

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def blame(self, what):
        with self.lock:
            self.wrong.append(what)
        print(f"WRONG: {what}", file=sys.stderr, flush=True)

    def current(self):
        return self.organizations[min(self.made // USERS_OF_ONE, len(self.organizations) - 1)]

    def attempt(self, rng):
        with self.lock:
            self.made += 1
            org = self.current()
            email = f"{rng.choice('abcdefgh')}{rng.randrange(400)}@example.com" if rng.random() < 0.4 else None
            attempt = Attempt(token(self.made), rng.choice(ROLES), email)
            org.attempts[attempt.name] = attempt
            return org, attempt

    def _learn(self, org, attempt, public_id):
        """Under the lock. The user is there: acknowledged, or seen."""
        problems = []
        if attempt.is_refused():
            problems.append(f"{attempt.name} was {attempt.outcome}, and is there as {public_id}")
        if attempt.id is None:
            attempt.id = public_id
        if attempt.id != public_id:
            problems.append(f"{attempt.name} is there as {public_id}, and as {attempt.id}")
        if public_id not in org.of_id:
            org.of_id[public_id] = attempt
            org.known.append(public_id)
            if attempt.email:
                holder = org.holder.setdefault(attempt.email, public_id)
                if holder != public_id:
                    problems.append(f"{holder} and {public_id} have the e-mail {attempt.email}")
        return problems

    def settle(self, org, attempt, outcome, public_id=None):
        """The answer to a create, or that there was none."""
        problems = []
        with self.lock:
            attempt.outcome = outcome
            if outcome == "created":
                problems = self._learn(org, attempt, public_id)
            elif outcome == "unknown" and public_id:
                if attempt.id not in (None, public_id):
                    problems = [f"{attempt.name} was to be {public_id}, and is {attempt.id}"]
                attempt.id = public_id
            elif attempt.is_refused():
                org.refused += 1
                if attempt.id is not None:
                    problems = [f"{attempt.name} was {outcome}, and is there as {attempt.id}"]
            if outcome == "taken":
                org.taken.add(attempt.email)
            self.counts[outcome] = self.counts.get(outcome, 0) + 1
        for problem in problems:
            self.blame(problem)

    def saw(self, org, users):
        """Users that a read has shown."""
        problems = []
        with self.lock:
            for user in users:
                attempt = org.attempts.get(user["firstName"])
                if attempt is None:
                    problems.append(f"{user['publicId']} ({user['firstName']}) was never sent")
                elif user["role"] != attempt.role:
                    problems.append(f"{user['publicId']} is {user['role']}, not {attempt.role}")
                else:
                    problems += self._learn(org, attempt, user["publicId"])
        for problem in problems:
            self.blame(problem)


class Lies:
    """A server that is wrong, for the proof that the checker sees it: answers are altered on their way."""

    NAMES = ["forget", "repeat", "gone", "refuse", "twice", "total"]

    def __init__(self, name=None):
        self.name, self.victim, self.told = name, None, 0

    def alter(self, kind, answer):
        """Returns the status and the body to believe."""
        body = answer.json() if answer.body else None
        if self.name is None or answer.status != 200:
            return answer.status, body
        if kind == "create":
            self.told += 1
            if self.told == 150:
                self.victim = body["user"]["publicId"]
                if self.name == "refuse":
                    return 503, {"error": "busy"}
        if kind == "get" and self.name == "gone" and body["publicId"] == self.victim:
            return 404, body
        if kind == "list" and self.victim:
            if self.name == "forget":
                body["data"] = [user for user in body["data"] if user["publicId"] != self.victim]
            if self.name == "repeat" and len(body["data"]) > 1:
                body["data"][-1] = body["data"][0]
            if self.name == "total":
                body["pagination"]["totalCount"] -= 1
        if kind == "email" and self.name == "twice" and self.victim and body["data"]:
            body["data"].append({**body["data"][0], "publicId": self.victim})
        return answer.status, body


class Client:
    """One thread's connections, and what it does with them."""

    def __init__(self, history, ports, rng, lies, deadline):
        self.history, self.ports, self.rng, self.lies, self.deadline = history, ports, rng, lies, deadline
        self.wire = None

    def ask(self, kind, method, path, key, body=None):
        """Returns (status, body, headers); status `None`: there was no answer."""
        try:
            if self.wire is None:
                self.wire = Wire(self.rng.choice(self.ports), timeout=20)
        except OSError:
            self.history.count("not connected")
            return "not sent", None, {}
        try:
            answer = self.wire.ask(method, path, key, body)
        except OSError:
            self.close()
            return None, None, {}
        if answer.headers.get("connection") == "close" or self.rng.random() < 0.01:
            self.close()
        status, altered = self.lies.alter(kind, answer)
        return status, altered, answer.headers

    def close(self):
        if self.wire:
            self.wire.close()
        self.wire = None

    def create(self):
        history = self.history
        org, attempt = history.attempt(self.rng)
        body = {"firstName": attempt.name, "lastName": "Soak", "role": attempt.role}
        if attempt.email:
            body["email"] = attempt.email.upper() if self.rng.random() < 0.2 else attempt.email
        status, answer, headers = self.ask("create", "POST", "/api/v1/users", org.key, body)
        if status == 200:
            history.settle(org, attempt, "created", answer["user"]["publicId"])
        elif status is None:
            history.settle(org, attempt, "lost")
        elif status == 504:
            history.settle(org, attempt, "unknown", headers.get("location", "").rpartition("/")[2] or None)
        elif status in (503, 429, "not sent"):
            history.settle(org, attempt, "refused")
            time.sleep(0.05)
        elif status == 400 and attempt.email and "already in use" in str(answer):
            history.settle(org, attempt, "taken")
        else:
            history.blame(f"a create was answered {status} {answer}")
        return status == 200

    def an_organization(self):
        orgs = self.history.organizations
        filled = self.history.made // USERS_OF_ONE
        if filled and self.rng.random() < 0.2:
            return orgs[self.rng.randrange(min(filled, len(orgs)))]
        return self.history.current()

    def read(self, kind, path, org):
        """A read that may be told to try again; `None`: it was."""
        status, body, headers = self.ask(kind, "GET", path, org.key)
        if status in (None, 503, 429, "not sent"):
            self.history.count("reads told to try again")
            time.sleep(0.02)
            return None
        self.history.count("reads")
        if status != 200:
            self.history.blame(f"{kind}: {path} was answered {status} {body}")
            return None
        return body, headers

    def get(self):
        org = self.an_organization()
        if not org.known:
            return
        wanted = self.rng.choice(org.known) if self.rng.random() < 0.5 else org.known[-1]
        if found := self.read("get", f"/api/v1/users/{wanted}", org):
            self.history.saw(org, [found[0]])

    def search(self):
        org = self.an_organization()
        if not org.known:
            return
        wanted = self.rng.choice(org.known) if self.rng.random() < 0.5 else org.known[-1]
        name = org.of_id[wanted].name
        if found := self.read("search", f"/api/v1/users?search={name.lower()}", org):
            ids = [user["publicId"] for user in found[0]["data"]]
            self.history.saw(org, found[0]["data"])
            if ids != [wanted]:
                self.history.blame(f"a search for {name} found {ids}, not {wanted}")

    def email(self, org=None, email=None):
        org = org or self.an_organization()
        if email is None:
            known = list(org.taken) if self.rng.random() < 0.3 else list(org.holder)
            if not known:
                return False
            email = self.rng.choice(known)
        holder, taken = org.holder.get(email), email in org.taken
        found = self.read("email", f"/api/v1/users?email={email}", org)
        if not found:
            return False
        self.history.saw(org, found[0]["data"])
        ids = [user["publicId"] for user in found[0]["data"]]
        if len(ids) > 1 or (holder and ids != [holder]) or (taken and not ids):
            self.history.blame(f"{email} finds {ids}; holder {holder}, told to be taken: {taken}")
        return True

    def walk(self, org, kind):
        """Walks a list from end to end: asc, desc, or a role."""
        history = self.history
        query = {"asc": "?sort=createdAt_asc", "desc": "?sort=createdAt_desc"}.get(kind, f"?role={kind}")
        path, users, first = f"/api/v1/users{query}&pageSize=100", [], None
        while path:
            mark = len(org.known)
            page = self.read("list", path, org)
            if page is None:
                if time.monotonic() > self.deadline():
                    return None
                continue
            first = mark if first is None else first
            body, headers = page
            users += body["data"]
            history.saw(org, body["data"])
            if kind in ("asc", "desc"):
                with history.lock:
                    most = len(org.attempts) - org.refused
                if not mark <= body["pagination"]["totalCount"] <= most:
                    history.blame(f"totalCount is {body['pagination']['totalCount']}, of {mark} to {most}")
            link = headers.get("link")
            path = "/api/v1/users" + link[link.index("<") + 1 : link.index(">")] if link else None
        ids = [user["publicId"] for user in users]
        if len(ids) != len(set(ids)):
            history.blame(f"a walk ({kind}) repeats {len(ids) - len(set(ids))}")
        # In creation order whoever is acknowledged before the last page was asked for is on it.
        known = org.known[: mark if kind == "asc" else first]
        missing = {one for one in known if kind in ("asc", "desc") or org.of_id[one].role == kind} - set(ids)
        if missing:
            history.blame(f"a walk ({kind}) skips {len(missing)}, {sorted(missing)[:3]}")
        with history.lock:
            if kind == "asc":
                shorter, longer = sorted((org.longest, ids), key=len)
                same, org.longest = longer[: len(shorter)] == shorter, longer
            else:
                both = set(ids) & set(org.longest)
                same = [one for one in reversed(ids) if one in both] == [one for one in org.longest if one in both]
        if not same:
            history.blame(f"two walks ({kind}) differ in their order")
        history.count(f"walks {'by role' if kind in ROLES else kind}")
        return ids


class Faults:
    """What happens to the servers, one thing after another, by the seed."""

    def __init__(self, house, postgres, seed, seconds, sabotage):
        self.house, self.postgres = house, postgres
        rng = random.Random(f"faults {seed}")
        kinds = ["kill"] * 3 + ["term"] * 2 + ["freeze"]
        kinds += ["database crash", "database freeze", "ghost standby", "connections cut"] if postgres else []
        kinds += ["failover"] if postgres and postgres.standby else []
        kinds += ["file locked"] if not house.url.startswith("postgres") else []
        if sabotage == "backup":
            kinds = ["older backup"]
        self.schedule, at = [], rng.uniform(1, 3)
        while at < seconds:
            kind, takes = rng.choice(kinds), rng.choice([0, rng.uniform(0, 1), rng.uniform(1, 4)])
            self.schedule.append((at, kind, takes, rng.randrange(len(house.servers))))
            at += takes + rng.uniform(1.5, 5)

    def do(self, kind, takes, server):
        server, postgres = self.house.servers[server], self.postgres
        if kind == "kill":
            server.kill()
            time.sleep(takes)
            server.start(wait=0)
        elif kind == "term":
            server.stop()
            time.sleep(takes)
            server.start(wait=0)
        elif kind == "freeze":
            server.signal("STOP")
            time.sleep(takes)
            server.signal("CONT")
        elif kind == "file locked":
            with sqlite3.connect(self.house.file, timeout=20, isolation_level=None) as other:
                other.execute("begin immediate")
                time.sleep(takes)
                other.execute("rollback")
        elif kind == "database crash":
            postgres.stop()
            time.sleep(takes)
            postgres.start()
        elif kind == "database freeze":
            postgres.signal("STOP")
            time.sleep(takes)
            postgres.signal("CONT")
        elif kind == "ghost standby":
            before = postgres.synchronous
            postgres.wait_for("ghost")
            time.sleep(takes + 1)
            postgres.wait_for(before)
        elif kind == "failover":
            self.postgres = postgres.fail_over()
        elif kind == "connections cut":
            postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname like 'soak_%'")
        elif kind == "older backup":
            copy = self.house.folder / "copy"
            with sqlite3.connect(self.house.file) as source, sqlite3.connect(copy) as target:
                source.backup(target)
            time.sleep(2)
            for each in self.house.servers:
                each.kill()
            for end in ("-wal", "-shm"):
                pathlib.Path(f"{self.house.file}{end}").unlink(missing_ok=True)
            shutil.copyfile(copy, self.house.file)
            for each in self.house.servers:
                each.start(wait=0)

    def run(self, history, until, client):
        begun = time.monotonic()
        for at, kind, takes, server in self.schedule:
            while time.monotonic() < begun + at:
                if time.monotonic() > until:
                    return
                time.sleep(0.02)
            print(f"{at:7.2f} s: {kind}, {takes:.2f} s, process {server + 1}", flush=True)
            history.faults[kind] = history.faults.get(kind, 0) + 1
            self.do(kind, takes, server)
            over = time.monotonic()
            while not client.create():
                if time.monotonic() > over + 30:
                    return history.blame(f"nobody can be created half a minute after: {kind}")
                time.sleep(0.02)
            history.slowest_return = max(history.slowest_return, time.monotonic() - over)


def check(binary, seconds, seed, postgres=None, sabotage=None, servers=2):
    """Runs it once, and returns the history."""
    print(f"seed {seed}, {seconds} s, {'PostgreSQL' if postgres else 'SQLite'}, {servers} processes", flush=True)
    with House(binary, postgres) as house:
        needed = int(seconds * CREATES_A_SECOND / USERS_OF_ONE) + 2
        keys = [house.organization(f"Soak {nth}")[1] for nth in range(needed)]
        for _ in range(servers):
            house.serve("--rate-limit", "1000000")
        history = History(keys, seed)
        own = postgres if isinstance(postgres, Postgres) else None
        faults = Faults(house, own, seed, seconds, sabotage)
        lies = Lies(sabotage if sabotage in Lies.NAMES else None)
        ports = [server.port for server in house.servers]
        until = time.monotonic() + seconds
        crashed = []

        def client(name):
            return Client(history, ports, random.Random(f"{name} {seed}"), lies, lambda: until + 60)

        def works(client):
            pace = 6 / CREATES_A_SECOND
            due = time.monotonic()
            while time.monotonic() < until:
                dice = client.rng.random()
                if dice < 0.25:
                    client.get()
                elif dice < 0.35:
                    client.search()
                elif dice < 0.5:
                    client.email()
                else:
                    due = max(due + pace, time.monotonic() - 1)
                    time.sleep(max(0.0, due - time.monotonic()))
                    client.create()

        def walks(client):
            while time.monotonic() < until:
                client.walk(client.an_organization(), client.rng.choice(["asc", "asc", "desc", client.rng.choice(ROLES)]))

        def guarded(act, client):
            try:
                act(client)
            except Exception as error:  # a checker that is wrong must say so
                crashed.append(error)
                raise

        threads = [threading.Thread(target=guarded, args=(works, client(f"client {n}"))) for n in range(6)]
        threads += [threading.Thread(target=guarded, args=(walks, client(f"walker {n}"))) for n in range(2)]
        for thread in threads:
            thread.start()
        faults.run(history, until, client("faults"))
        for thread in threads:
            thread.join()
        last(history, house, client("last"))
        if crashed:
            raise crashed[0]
    return history


def last(history, house, client):
    """After everything: all servers run, and all that is there is looked at once more."""
    for server in house.servers:
        if not server.runs():
            server.start()
    until = time.monotonic() + 60
    client.deadline = lambda: until + 600
    for org in history.organizations:
        if not org.attempts:
            continue
        ascending, descending = client.walk(org, "asc"), client.walk(org, "desc")
        if ascending is None or ascending != list(reversed(descending or [])):
            history.blame("at the end the two orders differ")
        elif set(ascending) != set(org.known):
            history.blame("at the end somebody is missing")
        for email in sorted(set(org.holder) | org.taken):
            while not client.email(org, email) and time.monotonic() < until + 600:
                pass
    for org in history.organizations:
        for attempt in org.attempts.values():
            if attempt.outcome in ("lost", "unknown"):
                written = "written" if attempt.id in org.of_id else "not written"
                history.count(f"{attempt.outcome} and {written}")


def said(history):
    counts = ", ".join(f"{number} {what}" for what, number in sorted(history.counts.items()))
    faults = ", ".join(f"{number} × {what}" for what, number in sorted(history.faults.items()))
    return (f"seed {history.seed}: {counts}\nfaults: {faults}; the slowest return to service "
            f"{history.slowest_return:.1f} s\n{len(history.wrong)} wrong")


def prove(binary, seed):
    """Each way to be wrong is found; returns those that were not."""
    missed = []
    for name in [*Lies.NAMES, "backup"]:
        history = check(binary, 12, seed, sabotage=name, servers=1)
        print(f"{name}: {'found' if history.wrong else 'NOT FOUND'}", flush=True)
        if not history.wrong:
            missed.append(name)
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=os.environ.get("ROSTER_BINARY", "target/release/roster"))
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--servers", type=int, default=2, help="Roster processes on one database")
    parser.add_argument("--postgres", nargs="?", const="own", help="on PostgreSQL: one of its own, or the URL of an empty database")
    parser.add_argument("--sabotage", choices=[*Lies.NAMES, "backup"], help="let something be wrong")
    parser.add_argument("--prove", action="store_true", help="let each thing be wrong once: all must be found")
    options = parser.parse_args()
    if options.prove:
        sys.exit(1 if prove(options.binary, options.seed) else 0)
    postgres, standby = options.postgres, None
    if postgres == "own":
        postgres = Postgres()
        standby = Postgres(follows=postgres)
    try:
        history = check(options.binary, options.seconds, options.seed, postgres, options.sabotage, options.servers)
    finally:
        if standby:
            standby.close()
            postgres.close()
    print(said(history))
    sys.exit(1 if history.wrong else 0)


if __name__ == "__main__":
    main()
