"""What Roster promises under strain (docs/reliability.md), shown again: one table.

    python3 script/soak [--scale SHARE] [--binary PATH] [NAME…]

Without a name, everything: about two hours. `--scale 0.05` is a twentieth of each duration, to see that it works.
It needs Python 3.9 and, for what is about PostgreSQL, a PostgreSQL server's programs. It speaks to 127.0.0.1 only.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time
import traceback

import history
import reads
import sizes
import waits
from house import Postgres

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Soak:
    """What a section is given."""

    def __init__(self, binary, scale, folder, seed):
        self.binary, self.scale, self.folder, self.seed = binary, scale, folder, seed
        self.servers = []

    def seconds(self, whole):
        return whole * self.scale

    def postgres(self, with_standby=False):
        """A PostgreSQL that ends with the section."""
        primary = Postgres()
        self.servers.append(primary)
        if with_standby:
            self.servers.append(Postgres(follows=primary))
        return primary

    def keep(self, name, text):
        """Keeps what is too long for the table."""
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / name.replace(" ", "-")).write_text(text)

    def tests(self, *names, long=False):
        """Runs tests of the suite by a part of their names. Tells how many passed, and whether all did."""
        passed, failed = 0, 0
        for name in names:
            command = ["cargo", "test", "--workspace", "--test", "it", name, "--", "--include-ignored"]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True,
                                  env={**os.environ, **({"ROSTER_TEST_LONG": "1"} if long and self.scale >= 1 else {})})
            found = re.search(r"(\d+) passed; (\d+) failed", done.stdout)
            here, there = map(int, found.groups()) if found else (0, 1)
            passed, failed = passed + here, failed + (there or not here)
            if there or not here:
                print(done.stdout[-3000:], done.stderr[-1000:], file=sys.stderr)
        return f"{passed} tests passed" + (f", {failed} failed" if failed else ""), not failed


def by_tests(promise, *names, long=False):
    """A section that the suite shows exactly."""
    def section(soak):
        figure, met = soak.tests(*names, long=long)
        yield promise, figure, "all", met
    section.__doc__ = "Tests: " + ", ".join(f"`{name}`" for name in names)
    return section


def checked(soak):
    """The history checker on both engines."""
    for engine in ("SQLite", "PostgreSQL"):
        whole = soak.seconds(600)
        found = history.check(soak.binary, whole, soak.seed, soak.postgres(with_standby=True) if engine == "PostgreSQL" else None)
        soak.keep(f"history {engine}", history.said(found) + "\n" + "\n".join(found.wrong))
        acknowledged, reads = found.counts.get("created", 0), found.counts.get("reads", 0)
        yield (f"{engine}: no answer lies, {whole / 60:.0f} min of kills, stops and outages",
               f"{len(found.wrong)} wrong of {acknowledged} creates and {reads} reads; {sum(found.faults.values())} faults, "
               f"served again after {found.slowest_return:.1f} s at most", "0 wrong", not found.wrong)


SECTIONS = {
    "unknown": ("§1", by_tests("an outcome that is not known is 504 with its address, and 503 means not written",
                               "outside::postgres::unknown", "outside::postgres::failover", long=True)),
    "horizon": ("§2", reads.horizon),
    "patience": ("§3", waits.patience),
    "wal": ("§4", reads.wal),
    "refusal": ("§5", sizes.refusal),
    "neighbours": ("§6", reads.neighbours),
    "guests": ("§6", by_tests("names that never resolve, dead addresses, wrong keys and connections hold up nobody else",
                              "deliver::names", "outside::postgres::url::a_silent_host", "process::wrong_keys", "process::connections")),
    "stops": ("§7", waits.stops),
    "clock": ("§8", by_tests("what was over stays over, and a clock that is wrong writes nothing",
                             "api::clock", "cli::clock")),
    "memory": ("§9", sizes.memory),
    "memory-webhooks": ("§9", sizes.memory_webhooks),
    "history": ("§13", checked),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SECTIONS))
    parser.add_argument("--binary", default=os.environ.get("ROSTER_BINARY", str(ROOT / "target/release/roster")))
    parser.add_argument("--scale", type=float, default=1, help="the share of each duration to take")
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32), help="of the history checker")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for what is too long for the table")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    rows = []
    for name in options.names or SECTIONS:
        part, section = SECTIONS[name]
        soak = Soak(os.path.abspath(options.binary), options.scale, options.keep, options.seed)
        try:
            for promise, figure, goal, met in section(soak):
                rows.append((name, part, promise, figure, goal, "ok" if met else "**missed**"))
                print(f"{name}: {promise}: {figure} (goal {goal}): {rows[-1][-1]}", flush=True)
        except Exception as error:
            traceback.print_exc()
            rows.append((name, part, "could not be run", f"{type(error).__name__}: {error}"[:200], "", "**missed**"))
        finally:
            for server in soak.servers:
                server.close()
    print("\n| name | | promise | figure | goal | |\n| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.exit(any(row[-1] != "ok" for row in rows))


if __name__ == "__main__":
    main()
