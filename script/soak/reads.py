"""What reads promise: nobody skipped at the end of a list (§2), a bounded log (§4), a fair share (§6)."""

import random
import subprocess
import threading
import time

import load
from house import House, Wire

MIB = 1 << 20


def horizon(soak):
    """Six create at two processes on one PostgreSQL as fast as they can, and a reader stays at the end of the list."""
    with House(soak.binary, soak.postgres()) as house:
        _, key = house.organization()
        servers = [house.serve(), house.serve()]
        stop, created, seen, statuses = threading.Event(), [], [], {}

        def creates(nth):
            wire = servers[nth % 2].wire()
            while not stop.is_set():
                created.append(wire.ask("POST", "/api/v1/users", key, {"firstName": "A", "lastName": "B"}).json()["user"]["publicId"])

        def reads():
            wire, ended = servers[0].wire(), False
            while True:
                all_are_in = stop.is_set() and all(not each.is_alive() for each in threads)
                cursor = f"&cursor={seen[-1]}" if seen else ""
                page = wire.ask("GET", f"/api/v1/users?sort=createdAt_asc&pageSize=100{cursor}", key)
                statuses[page.status] = statuses.get(page.status, 0) + 1
                more = [user["publicId"] for user in page.json()["data"]] if page.status == 200 else []
                seen.extend(more)
                if all_are_in and page.status == 200 and not more:
                    return

        threads = [threading.Thread(target=creates, args=(nth,)) for nth in range(6)]
        reader = threading.Thread(target=reads)
        for thread in [*threads, reader]:
            thread.start()
        time.sleep(soak.seconds(20))
        stop.set()
        reader.join(timeout=120)
        missed, twice = len(set(created) - set(seen)), len(seen) - len(set(seen))
        yield ("lists in creation order pass nobody, two processes, six who create",
               f"{missed} missed and {twice} repeated of {len(created)}", "0", missed == twice == 0 and not reader.is_alive())


def wal(soak):
    """Overlapping searches, creates and an import on SQLite, at the default limit and without one."""
    import_lines = "".join(f'{{"firstName":"Imke","lastName":"Wu","email":"i{n}@example.com"}}\n' for n in range(20_000))
    path = "/api/v1/users?search=w&pageSize=100&page=150"
    tails, longest, created, bad = {}, 0, 0, {}
    seconds = soak.seconds(600)
    for limit in (["--wal-limit", "100000"], []):
        with House(soak.binary) as house:
            org, key = house.organization()
            house.import_users(org, ({"firstName": "Wanda", "lastName": "Wu", "email": f"s{n}@example.com"} for n in range(20_000)))
            other, _ = house.organization("Imported")
            file = house.folder / "lines"
            server = house.serve("--rate-limit", "1000000", *limit)
            # Without a limit the log grows as long as this runs: a tenth of the time is enough for the latencies.
            until = time.monotonic() + (seconds if not limit else max(seconds / 10, min(seconds, 20)))
            with load.Load(1, load.searches, server.port, key, path, 4) as reads, \
                    load.Load(1, load.creates, server.port, key, 2, 0.01) as writes:
                nth = 0
                beside = None
                while time.monotonic() < until:
                    if beside is None or beside.poll() is not None:
                        nth += 1
                        file.write_text(import_lines.replace("@", f"-{nth}@"))
                        beside = subprocess.Popen([soak.binary, "import", "--org", other, str(file)],
                                                  env={"ROSTER_DATABASE": house.url}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        pause = time.monotonic() + 10
                        while beside.poll() is None or time.monotonic() < min(pause, until):
                            if not limit:
                                longest = max(longest, (house.folder / "roster.db-wal").stat().st_size)
                            time.sleep(0.02)
                            if time.monotonic() > until + 60:
                                break
                beside.kill()
                beside.wait()
                [(took, statuses)] = reads.end()
                [(one_created, refused)] = writes.end()
            tails["without" if limit else "with"] = (load.part(took, 0.5), load.part(took, 0.99), len(took))
            if not limit:
                created, bad = one_created, {status: n for status, n in statuses.items() if status != 200}
                refusals = refused
    ratio = tails["with"][1] / tails["without"][1]
    yield (f"SQLite's log stays short: overlapping searches, creates, imports, {seconds:.0f} s",
           f"{longest / MIB:.0f} MiB at most; {created} created, {refusals} refused; other answers to searches: {bad or 'none'}",
           "≤ 128 MiB", longest <= 128 * MIB)
    yield ("p99 of those searches with the limit ÷ without",
           f"{ratio:.2f} ({tails['with'][1] * 1000:.0f} ÷ {tails['without'][1] * 1000:.0f} ms; p50 "
           f"{tails['with'][0] * 1000:.0f} and {tails['without'][0] * 1000:.0f} ms, {tails['with'][2]} searches)", "≤ 2", ratio <= 2)


def _people(count):
    rng = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for nth in range(count):
        first, last = ("".join(rng.choices(letters, k=k)) for k in (6, 8))
        yield {"firstName": first.title(), "lastName": last.title(), "email": f"{first}.{nth}@example.com", "role": "PATIENT"}


def neighbours(soak):
    """16 clients search for `x q z` among 100 000 people; another organization searches for `Bea Sam`."""
    for engine in ("SQLite", "PostgreSQL"):
        with House(soak.binary, soak.postgres() if engine == "PostgreSQL" else None) as house:
            (large, heavy), (small, light) = house.organization("Large"), house.organization("Small")
            house.import_users(large, _people(100_000))
            house.import_users(small, [{"firstName": "Bea", "lastName": "Samson"}, *_people(200)])
            server = house.serve("--rate-limit", "1000000")
            wire = server.wire()
            alone, with_them, p99s, ratios = [], [], [], []

            def asked(seconds):
                took, until = [], time.perf_counter() + seconds
                while time.perf_counter() < until:
                    begun = time.perf_counter()
                    found = wire.ask("GET", "/api/v1/users?search=Bea%20Sam", light)
                    took.append(time.perf_counter() - begun)
                    assert found.status == 200, found.status
                    time.sleep(0.002)
                return took

            asked(1)
            for _ in range(3):
                alone = asked(soak.seconds(8))
                with load.Load(1, load.searches, server.port, heavy, "/api/v1/users?search=x%20q%20z", 16) as others:
                    time.sleep(1)
                    with_them = asked(soak.seconds(20))
                    [(heavy_took, statuses)] = others.end()
                ratios.append((load.part(with_them, 0.5) / load.part(alone, 0.5), load.part(alone, 0.5), load.part(with_them, 0.5)))
                p99s.append((load.part(with_them, 0.99), load.part(alone, 0.99)))
            ratio, p50_alone, p50 = sorted(ratios)[1]
            p99, p99_alone = sorted(p99s)[1]
            yield (f"{engine}: a search beside another organization's sixteen, p50 ÷ alone",
                   f"{ratio:.1f} [{min(ratios)[0]:.1f}–{max(ratios)[0]:.1f}] ({p50 * 1000:.2f} ÷ {p50_alone * 1000:.2f} ms)", "< 10", ratio < 10)
            yield (f"{engine}: its p99",
                   f"{p99 * 1000:.0f} ms [{min(p99s)[0] * 1000:.0f}–{max(p99s)[0] * 1000:.0f}] (alone {p99_alone * 1000:.1f}; "
                   f"the sixteen: {dict(statuses)}, p50 {load.part(heavy_took, 0.5) * 1000:.0f} ms)", "< 100 ms", p99 < 0.1)
