//! A disk that is full, and one that cannot be written: small file systems, mounted for the test.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use insta::assert_snapshot;
use rusqlite::Connection;

use crate::{
    binary::{Binary, PATIENCE, Server},
    wire::request,
};

/// A small file system in memory. Unmounted when dropped, also by a panic.
struct Mount(PathBuf);

impl Mount {
    fn at(path: PathBuf, kib: u32) -> Self {
        std::fs::create_dir(&path).expect("a folder");
        let options = format!("size={kib}k,mode=700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "roster-test"]).arg(&path));
        Self(path)
    }

    fn remount(&self, how: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0));
    }

    /// Takes all the space that is left.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = std::fs::File::create(&ballast).expect("a file");
        for size in [64 * 1024, 4096, 1] {
            let block = vec![b'x'; size];
            while file.write_all(&block).is_ok() {}
        }
        ballast
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a server that a panic left behind may still hold a file for a moment.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A server whose database is on a small file system. Dropped in this order.
struct OnSmallDisk {
    server: Server,
    key: String,
    database: PathBuf,
    mount: Mount,
    _binary: Binary,
}

impl OnSmallDisk {
    fn new() -> Self {
        let binary = Binary::new();
        let mount = Mount::at(binary.path().join("disk"), 8_192);
        let database = mount.0.join("roster.db");
        let flag = format!("sqlite:{}", database.display());
        let org = binary.last_word(["org", "create", "Example", "--database", &flag]);
        let key = binary.last_word([
            "key",
            "create",
            "--org",
            &org,
            "--role",
            "ADMIN",
            "--name",
            "test",
            "--database",
            &flag,
        ]);
        let server = binary.serve(&["--database", &flag]);
        Self { server, key, database, mount, _binary: binary }
    }

    fn create(&self, nth: usize) -> crate::wire::WireAnswer {
        let body = format!(
            r#"{{"firstName":"Jane","lastName":"Doe","email":"jane{nth}@example.com","shouldSendSMS":true,"phoneNumber":"+14155550100"}}"#
        );
        self.server.wire().send(request("POST", "/api/v1/users", &self.key, &body)).answer()
    }

    fn total(&self) -> u64 {
        let (status, list) = self.server.request("GET", "/api/v1/users", &self.key, "");
        assert_eq!(status, 200, "reads go on: {list}");
        list["pagination"]["totalCount"].as_u64().expect("a count")
    }
}

#[test]
#[ignore = "needs root and mount: script/test runs it"]
fn a_full_disk_is_503_until_there_is_space_again() {
    let disk = OnSmallDisk::new();
    let mut created = Vec::new();
    for nth in 0..20 {
        let answer = disk.create(nth);
        assert_eq!(answer.status, 200, "{answer}");
        created.push(answer.json()["user"]["publicId"].as_str().expect("an id").to_owned());
    }
    let ballast = disk.mount.fill();

    // What still fits into the log is taken; then it is full for good.
    let mut refused = 0;
    let mut nth = created.len();
    while refused < 20 {
        let answer = disk.create(nth);
        nth += 1;
        match answer.status {
            200 => created.push(answer.json()["user"]["publicId"].as_str().expect("an id").to_owned()),
            _ => {
                assert_eq!(answer.to_string(), r#"503 {"error":"Service temporarily unavailable"}"#);
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert_eq!(answer.header("content-type"), Some("application/json"));
                refused += 1;
            }
        }
        assert!(nth < 10_000, "the disk is full at some time");
    }
    assert_eq!(disk.total(), created.len() as u64);
    for id in &created {
        assert_eq!(disk.server.request("GET", &format!("/api/v1/users/{id}"), &disk.key, "").0, 200);
    }
    assert_whole(&disk.database, created.len());

    std::fs::remove_file(ballast).expect("space");
    let start = std::time::Instant::now();
    loop {
        let answer = disk.create(nth);
        if answer.status == 200 {
            created.push(answer.json()["user"]["publicId"].as_str().expect("an id").to_owned());
            break;
        }
        assert!(start.elapsed() < PATIENCE, "with space again, writes work without a restart: {answer}");
    }
    assert_eq!(disk.create(nth).status, 400, "what was just created is there");
    // Enough to move the log into the database several times.
    for nth in nth + 1..nth + 101 {
        assert_eq!(disk.create(nth).status, 200);
    }
    assert_eq!(disk.total(), created.len() as u64 + 100);
    assert_whole(&disk.database, created.len() + 100);
    let (code, log) = {
        disk.server.signal("TERM");
        let OnSmallDisk { server, mount, .. } = disk;
        let ended = server.wait();
        drop(mount);
        ended
    };
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the disk does not take the change"), "{log}");
    assert!(!log.contains("jane"), "{log}");
}

#[test]
#[ignore = "needs root and mount: script/test runs it"]
fn a_disk_that_can_only_be_read_is_refused() {
    let binary = Binary::new();
    let mount = Mount::at(binary.path().join("disk"), 2_048);
    let flag = format!("sqlite:{}/roster.db", mount.0.display());
    binary.print(["org", "create", "Example", "--database", &flag]);
    mount.remount("ro");
    let complaint = binary.complaint(["serve", "--listen", "127.0.0.1:0", "--database", &flag]);
    assert_snapshot!(complaint, @"1: roster: cannot use the database sqlite:DIR/disk/roster.db: cannot open the database file DIR/disk/roster.db: Read-only file system (os error 30)");
}

/// As a container has it whose root is read-only: only the folder of the database can be written to.
#[test]
#[ignore = "needs root and mount: script/test runs it"]
fn a_copy_needs_no_folder_for_temporary_files() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let user = r#"{"firstName":"Jane","lastName":"Doe","shouldSendSMS":true,"phoneNumber":"+14155550100"}"#;
    std::fs::write(binary.path().join("staff"), format!("{user}\n").repeat(40_000)).expect("a file");
    binary.print(["import", "--org", &org, "staff"]);
    let script = r#"set -e
        mount --bind "$1" /mnt
        for folder in /tmp /var/tmp; do mount -t tmpfs -o ro,size=4k none "$folder"; done
        cd /tmp
        exec "$2" copy --from sqlite:/mnt/roster.db --to sqlite:/mnt/copy.db"#;
    let mut copy = Command::new("unshare");
    copy.args(["--mount", "sh", "-c", script, "sh"]).arg(binary.path()).arg(env!("CARGO_BIN_EXE_roster"));
    run(copy.env_remove("TMPDIR"));
    let files = std::fs::read_dir(binary.path()).expect("the folder").map(|file| file.expect("a file").file_name());
    assert!(files.filter_map(|name| name.into_string().ok()).all(|name| !name.starts_with("etilqs")), "nothing stays");
}

/// Nothing half-written: for each user one audit entry and one message, and a sound file.
fn assert_whole(database: &Path, users: usize) {
    let file = Connection::open(database).expect("the file");
    let number = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number") as usize;
    let sound: String = file.query_row("pragma integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(sound, "ok");
    assert_eq!(number("select count(*) from users"), users);
    assert_eq!(number("select count(*) from audit where action = 'user.created'"), users);
    assert_eq!(number("select count(*) from outbox"), users);
    assert_eq!(number("select sum(users) from role_count"), users);
}
