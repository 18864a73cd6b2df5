//! The log, and what may happen to it.

use crate::binary::Binary;

/// Whoever reads it may go away, and its disk may be full: that costs nobody an answer.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let mut server = binary.serve(&["--log", "debug"]);
    server.stop_reading_the_log();
    for nth in 0..50 {
        assert_eq!(server.create(&key, &format!("user{nth}@example.com")).0, 200);
    }
    assert_eq!(server.request("GET", "/healthz", "", "").0, 200);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}
