//! A server in a terminal that is closed: it ends as if it were told to, unless it was started to outlive the terminal.

use super::program;
use crate::binary::Binary;

/// Starts a command in a terminal of its own, closes the terminal once the command listens, and prints its exit code.
/// With `stays` it must be alive a second later, and is told to end.
const IN_A_TERMINAL: &str = r#"
import os, pty, signal, sys, time
log, stays, command = sys.argv[1], sys.argv[2] == "stays", sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", 'exec "$@" 2>"$0" >/dev/null', log, *command])
def wait_for(words):
    while words not in open(log).read():
        time.sleep(0.02)
while not os.path.exists(log):
    time.sleep(0.02)
wait_for("listening on")
os.close(terminal)
if stays:
    wait_for("SIGHUP is ignored")
    os.kill(pid, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "stopping" in open(log).read())
"#;

#[test]
#[ignore = "needs python: script/test runs it"]
fn a_closed_terminal_is_a_sigterm_except_under_nohup() {
    let binary = Binary::new();
    let roster = env!("CARGO_BIN_EXE_roster");
    for (expected, words) in [("ends", vec![roster]), ("stays", vec!["nohup", roster])] {
        let log = binary.path().join(expected);
        let mut command = program::command(program::pip("python"), 60);
        command.env("ROSTER_DATABASE", binary.database_url()).arg("-c").arg(IN_A_TERMINAL).arg(log).arg(expected);
        command.args(words).args(["serve", "--listen", "127.0.0.1:0", "--drain-delay", "0", "--log-format", "json"]);
        let verdict = program::verdict(&mut command);
        assert_eq!((verdict.content, verdict.said.trim()), (true, "0 True"), "{expected}");
    }
}
