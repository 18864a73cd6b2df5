//! Signals that are sent by habit: none of them ends the server, and each leaves a line in the log.

use crate::binary::Binary;

#[test]
fn hup_usr1_and_usr2_end_nothing_and_are_logged() {
    let binary = Binary::new();
    let mut server = binary.serve(&[]);
    for name in ["HUP", "USR1", "USR2", "HUP"] {
        server.signal(name);
        server.logged(&format!("SIG{name} is ignored"));
        assert_eq!(server.request("GET", "/readyz", "", "").0, 200);
    }
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
}
