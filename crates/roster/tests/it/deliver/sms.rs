//! Text messages: once, with nothing of anybody in them that the template does not name, and never against their will.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

use super::{House, phone};
use crate::{
    binary::Server,
    gateway::{Fault, Gateway, TOKEN},
};

#[test]
fn a_new_user_is_greeted_once() {
    let (house, gateway) = (House::new(), Gateway::new());
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", "(415) 555-2671");
    let delivered = house.wait_for("delivered", 1);
    let said = "Example Organization added you to its directory. Reply STOP to receive no more text messages.";
    assert_eq!((gateway.taken("+14155552671"), gateway.posted("+14155552671")), (vec![said.to_owned()], 1));
    let shown = house.binary.print(["outbox", "show", "--org", &house.org, &delivered[0][0]]);
    assert!(shown.contains("\tdelivered\t201\t"), "{shown}");
    let metrics = house.get(&server, "/api/v1/me");
    assert!(!metrics.is_null());
}

#[test]
fn the_organizations_own_template_is_used() {
    let (house, gateway) = (House::new(), Gateway::new());
    let template = "Hi {firstName}, welcome to {organization}";
    house.binary.print(["sms", "set", "--org", &house.org, "--template", template, "--wording", "I agree to texts"]);
    let server = house.serve_with(&gateway, &[]);
    let user = house.texted(&server, "a@example.com", &phone(1));
    house.wait_for("delivered", 1);
    assert_eq!(gateway.taken(&phone(1)), ["Hi Canaryfirst, welcome to Example Organization"]);
    let consent = house.binary.print(["sms", "consent", "--org", &house.org, &user]);
    let columns: Vec<_> = consent.lines().next().expect("a consent").split('\t').collect();
    assert!(columns[1..3] == ["user", "agreed"] && columns[3].starts_with("key_") && columns[4] == "1", "{consent}");
    assert!(consent.ends_with("may be sent text messages: yes\n"), "{consent}");
}

#[test]
fn what_may_have_been_sent_is_not_sent_again() {
    let house = House::new();
    let gateway = Gateway::with(|_, _| Fault::ErrorWithoutTaking);
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", &phone(1));
    let unknown = house.wait_for("unknown", 1);
    assert_eq!(gateway.posted(&phone(1)), 1);
    let retry = ["outbox", "retry", "--org", &house.org, &unknown[0][0]];
    house.binary.print(retry);
    let since = std::time::Instant::now();
    while gateway.posted(&phone(1)) < 2 {
        assert!(since.elapsed() < crate::binary::PATIENCE, "a person may decide otherwise");
    }
    drop(server);
}

#[test]
fn too_many_at_once_wait_as_long_as_the_gateway_says() {
    let house = House::new();
    let gateway = Gateway::with(|_, posted| if posted == 0 { Fault::TooMany(3_600) } else { Fault::None });
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", &phone(1));
    let attempted = loop {
        let owed = house.wait_for("owed", 1);
        if owed[0][6] == "1" {
            break owed;
        }
    };
    let moment = |text: &str| text.parse::<jiff::Timestamp>().expect("a moment").as_second();
    let wait = moment(&attempted[0][7]) - moment(&attempted[0][4]);
    assert!((3_600..3_700).contains(&wait), "{wait} s");
    drop(server);
}

#[test]
fn who_opted_out_at_the_gateway_is_not_sent_any_more() {
    let house = House::new();
    let gateway = Gateway::with(|_, _| Fault::OptedOut);
    let server = house.serve_with(&gateway, &[]);
    let user = house.texted(&server, "a@example.com", &phone(1));
    house.wait_for("dropped", 1);
    house.texted(&server, "b@example.com", &phone(1));
    house.wait_for("dropped", 2);
    assert_eq!(gateway.posted(&phone(1)), 1, "it was not even tried");
    let consent = house.binary.print(["sms", "consent", "--org", &house.org, &user]);
    assert!(consent.contains("\tphone\tstop\tgateway\t"), "{consent}");
    assert!(consent.ends_with("may be sent text messages: no\n"), "{consent}");
}

/// A message from a person, as the gateway passes it on: the status of the answer.
fn inbound(server: &Server, public: &str, token: &str, from: &str, said: &str, id: &str) -> u16 {
    let params = [("Body", said), ("From", from), ("MessageSid", id), ("To", "+14155550100")];
    let mut signed = format!("{public}/sms/inbound");
    params.iter().for_each(|(name, value)| signed.push_str(&format!("{name}{value}")));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let mut wire = server.wire();
    wire.send(format!(
        "POST /sms/inbound HTTP/1.1\r\nhost: roster\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         x-twilio-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    wire.answer().status
}

#[test]
fn stop_is_heard_from_the_gateway_only_and_start_takes_it_back() {
    let (house, gateway) = (House::new(), Gateway::new());
    let public = "https://roster.example";
    let server = house.serve_with(&gateway, &["--public-url", public]);
    assert_eq!(inbound(&server, public, "another-token", &phone(1), "STOP", "SM1"), 403);
    assert_eq!(inbound(&server, "https://elsewhere.example", TOKEN, &phone(1), "STOP", "SM1"), 403);
    house.texted(&server, "a@example.com", &phone(1));
    house.wait_for("delivered", 1);

    assert_eq!(inbound(&server, public, TOKEN, &phone(1), "Stop.", "SM2"), 200);
    house.texted(&server, "b@example.com", &phone(1));
    house.wait_for("dropped", 1);
    assert_eq!(inbound(&server, public, TOKEN, &phone(1), "see you tomorrow", "SM3"), 200);
    house.texted(&server, "c@example.com", &phone(1));
    house.wait_for("dropped", 2);
    assert_eq!(inbound(&server, public, TOKEN, &phone(1), "START", "SM4"), 200);
    house.texted(&server, "d@example.com", &phone(1));
    house.wait_for("delivered", 2);
    assert_eq!(gateway.posted(&phone(1)), 2);
}

#[test]
fn nothing_is_taken_from_a_gateway_that_is_not_configured() {
    let house = House::new();
    let server = house.serve_by(&[]);
    assert_eq!(inbound(&server, "https://roster.example", TOKEN, &phone(1), "STOP", "SM1"), 404);
}

#[test]
fn without_a_gateway_messages_wait_and_are_seen_to_wait() {
    let house = House::new();
    let server = house.serve_by(&["--outbox-warn", "0s"]);
    house.texted(&server, "a@example.com", &phone(1));
    assert_eq!(house.outbox("owed").len(), 1);
    let since = std::time::Instant::now();
    let ready = loop {
        let (status, ready) = server.request("GET", "/readyz", "", "");
        assert_eq!(status, 200);
        if ready["warnings"].is_array() {
            break ready;
        }
        assert!(since.elapsed() < crate::binary::PATIENCE, "{ready}");
    };
    let warning = ready["warnings"][0].as_str().expect("a warning");
    assert!(warning.starts_with("sms.welcome owed: 1, the oldest since "), "{warning}");
    drop(server);

    // Too old by the time there is a gateway: nobody is flooded.
    let gateway = Gateway::new();
    let server = house.serve_with(&gateway, &["--sms-keep", "0s"]);
    house.wait_for("dropped", 1);
    assert_eq!(gateway.posted(&phone(1)), 0);
    drop(server);
}

#[test]
fn an_organization_sends_no_more_in_an_hour_than_it_may() {
    let (house, gateway) = (House::new(), Gateway::new());
    house.binary.print(["sms", "set", "--org", &house.org, "--hourly", "2"]);
    let server = house.serve_with(&gateway, &[]);
    for nth in 0..5 {
        house.texted(&server, &format!("u{nth}@example.com"), &phone(nth));
    }
    let since = std::time::Instant::now();
    let (sent, waiting) = loop {
        let waiting = house.outbox("owed");
        let put_off = waiting.iter().filter(|message| message[7] > message[4]).count();
        let sent: u32 = (0..5).map(|nth| gateway.posted(&phone(nth))).sum();
        // What is being sent is not owed, and may not have arrived.
        if waiting.len() <= 3 && put_off == waiting.len() && sent as usize + waiting.len() == 5 {
            break (sent, waiting);
        }
        assert!(since.elapsed() < crate::binary::PATIENCE, "{sent} sent, {waiting:#?}");
    };
    // An hour may have turned meanwhile.
    assert!(sent == 2 || sent == 4, "{sent} sent, {waiting:#?}");
    drop(server);
}

#[test]
fn a_number_that_is_none_is_given_up_at_once() {
    let house = House::new();
    let gateway = Gateway::with(|_, _| Fault::InvalidNumber);
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", &phone(1));
    house.texted(&server, "b@example.com", "ask the office");
    let failed = house.wait_for("failed", 2);
    let shown = house.binary.print(["outbox", "show", "--org", &house.org, &failed[0][0]]);
    assert!(shown.contains("the gateway refused it (21211)"), "{shown}");
    assert_eq!(gateway.posted(&phone(1)), 1);
    drop(server);
}
