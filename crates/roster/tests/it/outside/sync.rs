//! An answer leaves after its user is on disk: what the process asks of the system, in order.

use std::collections::HashMap;

use crate::{binary::Binary, wire::request};

const CREATES: usize = 200;

#[test]
#[ignore = "needs strace: script/test runs it"]
fn no_create_is_answered_before_its_log_is_synced() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let trace = binary.path().join("trace");
    let mut strace = std::process::Command::new("strace");
    // -D: the server stays our child, and strace is the one beside it; it ends after the server, and its trace is whole.
    strace.env_clear().current_dir(binary.path()).args(["-D", "-f", "-o"]).arg(&trace);
    strace.args([
        "-y",
        "-s",
        "32",
        "-e",
        "trace=openat,pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,fsync,fdatasync",
    ]);
    strace.arg(env!("CARGO_BIN_EXE_roster")).args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    strace.arg("--database").arg(format!("sqlite:{}", binary.database().display()));
    let server = binary.serve_by(strace, &[]);
    let mut wire = server.wire();
    for nth in 0..CREATES {
        let body = format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"jane{nth}@example.com"}}"#);
        let answer = wire.send(request("POST", "/api/v1/users", &key, &body)).answer();
        assert_eq!(answer.status, 200, "{answer}");
    }
    drop(wire);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let seen = Seen::in_trace(&std::fs::read_to_string(trace).expect("a trace"));
    assert_eq!(seen.answers, CREATES);
    assert!(seen.log_writes >= CREATES, "each create is written to the log: {}", seen.log_writes);
    assert!(seen.syncs >= CREATES, "and synced: {}", seen.syncs);
}

#[derive(Default)]
struct Seen {
    answers: usize,
    log_writes: usize,
    syncs: usize,
}

impl Seen {
    /// Walks through a trace: at each 200 something must have been written to the log since the one before, and a sync
    /// of the log must have begun after the last write and ended. One client, so that each answer has its own commit.
    fn in_trace(trace: &str) -> Self {
        let mut seen = Self::default();
        let mut unsynced = false;
        let mut written_since_answer = false;
        let mut syncing: HashMap<&str, ()> = HashMap::new();
        for line in trace.lines() {
            let (thread, call) = line.split_once(char::is_whitespace).expect("a thread and a call");
            let call = call.trim_start();
            let on_log = call.contains("roster.db-wal>");
            if call.starts_with("pwrite") && on_log {
                (unsynced, written_since_answer) = (true, true);
                seen.log_writes += 1;
            } else if (call.starts_with("fsync(") || call.starts_with("fdatasync(")) && on_log {
                if call.contains("<unfinished ...>") {
                    syncing.insert(thread, ());
                } else {
                    assert!(call.ends_with("= 0"), "{line}");
                    unsynced = false;
                    seen.syncs += 1;
                }
            } else if call.starts_with("<... f") && call.contains("sync resumed>") && syncing.remove(thread).is_some() {
                assert!(call.ends_with("= 0"), "{line}");
                unsynced = false;
                seen.syncs += 1;
            } else if call.contains("HTTP/1.1 200 OK") {
                assert!(!unsynced, "answer {} left before its log was synced", seen.answers);
                assert!(written_since_answer, "answer {} left before anything was written", seen.answers);
                written_since_answer = false;
                seen.answers += 1;
            }
        }
        seen
    }
}
