"""What keeping an FTS5 trigram index inside each create would cost, beside the create's own rows.

    python3 bench/fts5.py FOLDER

FOLDER is on the disk that is measured. 64 creates a commit, synchronous=FULL; Python's own work is in every figure alike.
"""
import pathlib, random, sqlite3, sys, tempfile, time

SCHEMA = pathlib.Path(__file__).parent.parent / "crates/roster-store/migrations/sqlite/0001_directory.sql"
FIRST = "Grace Peter Naomi Theo Ingrid Marcus Hannah Louis Dolores Amara Daniel Priya Samuel Lucia Jonah Mei Olivia".split()
LAST = "Holloway Lindqvist Castellanos Marchetti Oyelaran Brightwater Fontaine Whitaker Nwosu Kowalczyk".split()
USER = """insert into users (place, organization, id, first_name, last_name, email, email_key, role, phone, sms, created_at)
          values (?, 1, ?, ?, ?, ?, ?, 5, ?, 0, ?)"""


def run(folder, detail, count=64_000, batch=64):
    with tempfile.TemporaryDirectory(dir=folder) as here:
        file = sqlite3.connect(f"{here}/roster.db", isolation_level=None)
        file.executescript("pragma journal_mode=wal; pragma synchronous=full; pragma wal_autocheckpoint=250;"
                           "pragma cache_size=-32768;" + SCHEMA.read_text())
        if detail:
            file.execute(f"create virtual table found using fts5(text, tokenize='trigram', content='', detail={detail})")
        random.seed(1)
        wall, cpu = time.perf_counter(), time.process_time()
        for start in range(0, count, batch):
            file.execute("begin immediate")
            for n in range(start, start + batch):
                first, last = f"{random.choice(FIRST)}{random.randrange(99)}", random.choice(LAST)
                email, phone = f"{first}.{last}{n}@clinic{n % 97}.example.com".lower(), f"1415555{n % 10000:04}"
                id = f"usr_1795592{n // 1000:03}_{n:09}"
                file.execute(USER, (n, id, first, last, email, email, phone, n))
                file.execute("insert into audit values (?, ?, 'key_aaaaaaaaaaaa', 'user.created', ?, "
                             "'firstName,lastName,role,shouldSendSMS,email', 'e4047aaf00000002')", (n, n, id))
                if detail:
                    text = f"{first}\n{last}\n{email}\n{phone}".lower()
                    file.execute("insert into found (rowid, text) values (?, ?)", (n, text))
            file.execute("commit")
        return count / (time.perf_counter() - wall), (time.process_time() - cpu) / count * 1e6


for _ in range(3):
    for name, detail in (("without", None), ("FTS5, detail=none", "none"), ("FTS5, detail=full", "full")):
        a_second, microseconds = run(sys.argv[1], detail)
        print(f"{name:18} {a_second:7.0f} creates/s {microseconds:6.1f} µs CPU each")
