//! Text messages: once, with nothing of anybody in them that the template does not name, and never against their will.

use super::{House, phone};
use crate::{
    binary::Server,
    gateway::{self, Fault, Gateway, TOKEN},
    receiver::Received,
};

/// Where the gateway reaches the server, as it is told.
const PUBLIC: &str = "https://roster.example";

#[test]
fn a_new_user_is_greeted_once() {
    let (house, gateway) = (House::new(), Gateway::new());
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", "(415) 555-2671");
    let accepted = house.wait_for("accepted", 1);
    let said = "Example Organization added you to its directory. Reply STOP to receive no more text messages.";
    assert_eq!((gateway.taken("+14155552671"), gateway.posted("+14155552671")), (vec![said.to_owned()], 1));
    let shown = house.binary.print(["outbox", "show", "--org", &house.org, &accepted[0][0]]);
    assert!(shown.contains("\taccepted\t201\t"), "{shown}");
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
    house.wait_for("accepted", 1);
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
    let signature = gateway::signature(token, &format!("{public}/sms/inbound"), &params);
    gateway::post(server, "/sms/inbound", &signature, &params)
}

#[test]
fn stop_is_heard_from_the_gateway_only_and_start_takes_it_back() {
    let (house, gateway) = (House::new(), Gateway::new());
    let public = PUBLIC;
    let server = house.serve_with(&gateway, &["--public-url", public]);
    assert_eq!(inbound(&server, public, "another-token", &phone(1), "STOP", "SM1"), 403);
    assert_eq!(inbound(&server, "https://elsewhere.example", TOKEN, &phone(1), "STOP", "SM1"), 403);
    house.texted(&server, "a@example.com", &phone(1));
    house.wait_for("accepted", 1);

    assert_eq!(inbound(&server, public, TOKEN, &phone(1), "Stop.", "SM2"), 200);
    house.texted(&server, "b@example.com", &phone(1));
    house.wait_for("dropped", 1);
    assert_eq!(inbound(&server, public, TOKEN, &phone(1), "see you tomorrow", "SM3"), 200);
    house.texted(&server, "c@example.com", &phone(1));
    house.wait_for("dropped", 2);
    assert_eq!(inbound(&server, public, TOKEN, &phone(1), "START", "SM4"), 200);
    house.texted(&server, "d@example.com", &phone(1));
    house.wait_for("accepted", 2);
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

/// The attempts that `roster outbox show` shows: outcome, status and note.
fn attempts(house: &House, message: &str) -> Vec<[String; 3]> {
    let shown = house.binary.print(["outbox", "show", "--org", &house.org, message]);
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let attempts = shown.lines().map(columns).filter(|columns| columns[0] == "attempt");
    attempts.map(|columns| [2, 3, 5].map(|nth: usize| columns[nth].clone())).collect()
}

#[test]
fn what_becomes_of_a_message_is_told_by_the_gateway() {
    let (house, gateway) = (House::new(), Gateway::new());
    // The slash at its end is not doubled.
    let server = house.serve_with(&gateway, &["--public-url", "https://roster.example/"]);
    let told = |nth: u32, status: &str, code| gateway.call_back(&server, PUBLIC, &phone(nth), status, code);
    for nth in 1..=3 {
        house.texted(&server, &format!("u{nth}@example.com"), &phone(nth));
    }
    house.wait_for("accepted", 3);
    told(1, "delivered", None);
    told(1, "sent", None);
    told(2, "queued", None);
    told(2, "undelivered", Some(30005));
    told(3, "sending", None);
    let (delivered, undelivered) = (house.outbox("delivered"), house.outbox("undelivered"));
    assert_eq!((delivered.len(), undelivered.len(), house.outbox("accepted").len()), (1, 1, 1));
    let note = "it did not reach the phone (30005)";
    assert_eq!(attempts(&house, &undelivered[0][0]), [["undelivered", "201", note]]);
    assert_eq!(attempts(&house, &delivered[0][0]), [["delivered", "201", "it reached the phone"]]);
    // A person may decide to send it once more, and what is told of the first attempt is not of the second.
    let (first, _) = gateway.callback(&phone(2));
    house.binary.print(["outbox", "retry", "--org", &house.org, &undelivered[0][0]]);
    house.wait_for("accepted", 2);
    assert_ne!(gateway.callback(&phone(2)).0, first);
    drop(server);
}

#[test]
fn who_opted_out_is_heard_of_although_the_gateway_took_the_message() {
    let (house, gateway) = (House::new(), Gateway::new());
    let server = house.serve_with(&gateway, &["--public-url", PUBLIC]);
    let user = house.texted(&server, "a@example.com", &phone(1));
    house.wait_for("accepted", 1);
    gateway.call_back(&server, PUBLIC, &phone(1), "failed", Some(21610));
    let dropped = house.wait_for("dropped", 1);
    assert_eq!(attempts(&house, &dropped[0][0]), [["refused", "201", "the person has opted out (21610)"]]);
    house.texted(&server, "b@example.com", &phone(1));
    house.wait_for("dropped", 2);
    assert_eq!(gateway.posted(&phone(1)), 1, "it was not even tried");
    let consent = house.binary.print(["sms", "consent", "--org", &house.org, &user]);
    assert!(consent.contains("\tphone\tstop\tgateway\t"), "{consent}");
}

#[test]
fn without_a_callback_the_gateway_is_asked_what_became_of_a_message() {
    let (house, gateway) = (House::new(), Gateway::new());
    gateway.becomes(&phone(1), "delivered", None);
    gateway.becomes(&phone(2), "undelivered", Some(30003));
    gateway.becomes(&phone(3), "failed", Some(21610));
    gateway.becomes(&phone(4), "sent", None);
    let server = house.serve_with(&gateway, &["--sms-ask-after", "0s"]);
    for nth in 1..=4 {
        house.texted(&server, &format!("u{nth}@example.com"), &phone(nth));
    }
    let (delivered, undelivered) = (house.wait_for("delivered", 1), house.wait_for("undelivered", 1));
    let dropped = house.wait_for("dropped", 1);
    assert_eq!(gateway.callback(&phone(1)).0, "", "it could not call back");
    assert_eq!(attempts(&house, &delivered[0][0]), [["delivered", "201", "it reached the phone"]]);
    assert_eq!(attempts(&house, &undelivered[0][0]), [["undelivered", "201", "it did not reach the phone (30003)"]]);
    assert_eq!(attempts(&house, &dropped[0][0]), [["refused", "201", "the person has opted out (21610)"]]);
    house.texted(&server, "again@example.com", &phone(3));
    house.wait_for("dropped", 2);
    assert_eq!((gateway.posted(&phone(3)), house.outbox("accepted").len()), (1, 1));
    // The one that is still under way was asked for once, and will not be again.
    let (_, sid) = gateway.callback(&phone(4));
    let asked = |asked: &[Received]| asked.iter().filter(|asked| asked.path.contains(&sid)).count();
    gateway.receiver.wait_until(|received| asked(received) == 1);
    gateway.becomes(&phone(5), "delivered", None);
    house.texted(&server, "last@example.com", &phone(5));
    house.wait_for("delivered", 2);
    assert_eq!(asked(&gateway.receiver.received()), 1);
    drop(server);
}

#[test]
fn the_gateway_is_asked_in_its_time() {
    let (house, gateway) = (House::new(), Gateway::new());
    gateway.becomes(&phone(1), "delivered", None);
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", &phone(1));
    house.wait_for("accepted", 1);
    drop(server);
    // Of another message it is asked at once, and of this one in an hour.
    gateway.becomes(&phone(2), "delivered", None);
    let server = house.serve_with(&gateway, &["--sms-ask-after", "0s"]);
    house.texted(&server, "b@example.com", &phone(2));
    house.wait_for("delivered", 1);
    assert_eq!(house.outbox("accepted").len(), 1);
    drop(server);
}

#[test]
fn an_extension_is_left_out_and_a_national_number_is_the_countrys() {
    let (house, gateway) = (House::new(), Gateway::new());
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", "+1-608-271-9000-x11");
    house.texted(&server, "b@example.com", "020 7946 0018");
    house.wait_for("accepted", 1);
    house.wait_for("failed", 1);
    house.ask(&server, "PATCH", "/api/v1/organization", &serde_json::json!({ "country": "GB" }));
    house.texted(&server, "c@example.com", "020 7946 0018");
    house.wait_for("accepted", 2);
    assert_eq!((gateway.posted("+16082719000"), gateway.posted("+442079460018")), (1, 1));
}

#[test]
fn what_was_owed_before_the_country_changed_goes_where_the_number_is() {
    let (house, gateway) = (House::new(), Gateway::new());
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", "020 7946 0018");
    let failed = house.wait_for("failed", 1);
    house.binary.print(["org", "set", &house.org, "--country", "GB"]);
    house.binary.print(["outbox", "retry", "--org", &house.org, &failed[0][0]]);
    house.wait_for("accepted", 1);
    assert_eq!(gateway.posted("+442079460018"), 1);
}
