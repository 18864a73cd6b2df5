//! Which signals end a server, and which do not.

use std::fs;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, SIGINT (ctrl-C) and a closed terminal, as often as they come. Other signals that are sent by habit, of which
/// each would end a process that does not know them, are logged.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user: [Signal; 2],
    /// Whether it was started from a terminal, and is to end with it.
    has_terminal: bool,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        // Before ours is there: `nohup` has SIGHUP ignored, and then a terminal that closes means nothing.
        let has_terminal = !ignores_hang_ups() && terminal_is_there();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user: [signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?],
            has_terminal,
        })
    }

    /// Waits until the process is told to end.
    pub(super) async fn next(&mut self) {
        let [user1, user2] = &mut self.user;
        loop {
            let ignored = tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    // The kernel sends it when the terminal closes; everybody else means that something is to be read
                    // anew, or that a log was moved.
                    if self.has_terminal && !terminal_is_there() {
                        self.has_terminal = false;
                        return;
                    }
                    "SIGHUP"
                }
                _ = user1.recv() => "SIGUSR1",
                _ = user2.recv() => "SIGUSR2",
            };
            tracing::info!(
                "{ignored} is ignored: settings and certificates are read at start, the log is standard error"
            );
        }
    }
}

/// Whether the process has a terminal, wherever its input and output go. One that was closed is not there any more.
fn terminal_is_there() -> bool {
    fs::File::open("/dev/tty").is_ok()
}

/// Whether whoever started the process had SIGHUP ignored. Where the kernel does not tell, it is not.
fn ignores_hang_ups() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}
