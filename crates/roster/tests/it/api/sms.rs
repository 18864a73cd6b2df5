//! `POST /sms/status`: what became of text messages, as the gateway tells it: signed, in any order, any number of times.

use axum::body::Body;
use hyper::{Request, StatusCode, header::CONTENT_TYPE};
use roster_directory::outbox::{Attempt, Outcome, State};
use roster_store::outbox::{Beginning, Begun, Claimed, Settlement};

use crate::{
    gateway::{TOKEN, signature},
    outbox::{CLAIM, DAY, at, claim, claim_sms, settled, store, stored, texted},
    roster::{Answer, Organization, Roster},
};

const PUBLIC: &str = "https://roster.example";

/// The number in [`texted`].
const PHONE: &str = "+14155550100";

/// A directory that the gateway reaches. Its folder has the token.
fn reached_by_the_gateway() -> (Roster, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("token");
    std::fs::write(&file, TOKEN).expect("a file");
    let flags = ["--public-url", PUBLIC, "--sms-token-file", file.to_str().expect("UTF-8")];
    (Roster::with(&flags), dir)
}

/// A text message that is being sent for the first time.
async fn sent(roster: &Roster, org: &Organization<'_>, token: i64) -> Claimed {
    texted(roster, org, 1).await;
    let claimed = claim_sms(roster, token, 0, 1).await.remove(0);
    begin(roster, &claimed, token).await;
    claimed
}

async fn begin(roster: &Roster, claimed: &Claimed, token: i64) {
    let beginning = Beginning { at: at(0), hourly: 100 };
    let begun = store(roster).begin(claimed.organization, claimed.message.id, claim(token, 0), beginning).await;
    assert_eq!(begun.expect("an answer"), Begun::Yes);
}

/// What the gateway answered.
async fn ended(roster: &Roster, claimed: &Claimed, token: i64, state: State, outcome: Outcome) -> bool {
    let settlement = Settlement { had_begun: true, ..settled(state, outcome) };
    store(roster).settle(claimed, claim(token, 0), settlement).await.expect("an answer")
}

/// A text message that the gateway took.
async fn accepted(roster: &Roster, org: &Organization<'_>, token: i64) -> Claimed {
    let claimed = sent(roster, org, token).await;
    assert!(ended(roster, &claimed, token, State::Accepted, Outcome::Accepted).await);
    claimed
}

fn path(claimed: &Claimed, nth: u32) -> String {
    format!("/sms/status?org={}&message={}&attempt={nth}", claimed.organization, claimed.message.id)
}

/// Posts a form to this path with the signature that the gateway would have made with this token.
async fn post(roster: &Roster, token: &str, path: &str, params: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let request = Request::builder()
        .method("POST")
        .uri(path)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("x-twilio-signature", signature(token, &format!("{PUBLIC}{path}"), params));
    roster.send(request.body(Body::from(body)).expect("a request")).await
}

/// Tells, as the gateway does, what became of an attempt.
async fn tell(roster: &Roster, path: &str, status: &str, code: &str) {
    let params = [
        ("ErrorCode", code),
        ("From", "+14155550199"),
        ("MessageSid", "SM1"),
        ("MessageStatus", status),
        ("To", PHONE),
    ];
    let answer = post(roster, TOKEN, path, &params).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""), "{status}");
}

async fn attempts(roster: &Roster, claimed: &Claimed) -> Vec<Attempt> {
    store(roster).attempts(claimed.organization, claimed.message.id).await.expect("attempts")
}

#[tokio::test]
async fn the_end_of_a_message_counts_in_whatever_order_it_is_told() {
    let (roster, _dir) = reached_by_the_gateway();
    let org = roster.organization("Example").await;
    let told = [
        (vec!["queued", "sent", "delivered"], State::Delivered, Outcome::Delivered),
        (vec!["delivered", "sent", "queued"], State::Delivered, Outcome::Delivered),
        (vec!["read", "delivered", "delivered", "sending"], State::Delivered, Outcome::Delivered),
        (vec!["delivered", "undelivered", "failed"], State::Delivered, Outcome::Delivered),
        (vec!["sent", "undelivered", "sent", "delivered"], State::Undelivered, Outcome::Undelivered),
        (vec!["failed", "failed", "queued"], State::Failed, Outcome::Refused),
        (vec!["queued", "accepted", "scheduled", "sending", "sent"], State::Accepted, Outcome::Accepted),
        (vec!["nonsense", ""], State::Accepted, Outcome::Accepted),
    ];
    for (token, (statuses, state, outcome)) in (1..).zip(told) {
        let claimed = accepted(&roster, &org, token).await;
        for status in &statuses {
            tell(&roster, &path(&claimed, 1), status, "").await;
        }
        let message = stored(&roster, &claimed).await;
        assert_eq!((message.state, message.attempts), (state, 1), "{statuses:?}");
        let attempts = attempts(&roster, &claimed).await;
        assert_eq!((attempts.len(), attempts[0].outcome, attempts[0].status), (1, outcome, Some(201)), "{statuses:?}");
        assert_eq!(message.due_at, at(30 * DAY), "{statuses:?}");
    }
}

#[tokio::test]
async fn what_did_not_arrive_has_the_gateways_code() {
    let (roster, _dir) = reached_by_the_gateway();
    let org = roster.organization("Example").await;
    for (token, (status, code, note)) in (1..).zip([
        ("undelivered", "30005", "it did not reach the phone (30005)"),
        ("failed", "30006", "the gateway gave it up (30006)"),
        ("failed", "<script>", "the gateway gave it up"),
    ]) {
        let claimed = accepted(&roster, &org, token).await;
        tell(&roster, &path(&claimed, 1), status, code).await;
        assert_eq!(attempts(&roster, &claimed).await[0].note, note);
    }
}

#[tokio::test]
async fn an_end_may_be_told_before_the_gateway_answered_and_settles_what_was_unknown() {
    let (roster, _dir) = reached_by_the_gateway();
    let org = roster.organization("Example").await;
    // Before: what the answer says then is late.
    let claimed = sent(&roster, &org, 1).await;
    tell(&roster, &path(&claimed, 1), "queued", "").await;
    assert_eq!(stored(&roster, &claimed).await.state, State::Sending, "its sender has it still");
    tell(&roster, &path(&claimed, 1), "delivered", "").await;
    assert!(!ended(&roster, &claimed, 1, State::Accepted, Outcome::Accepted).await);
    let message = stored(&roster, &claimed).await;
    assert_eq!((message.state, message.reference.as_deref()), (State::Delivered, Some("SM1")));
    // The answer was lost.
    for (token, status, state) in [(2, "sent", State::Accepted), (3, "undelivered", State::Undelivered)] {
        let claimed = sent(&roster, &org, token).await;
        assert!(ended(&roster, &claimed, token, State::Unknown, Outcome::Unknown).await);
        tell(&roster, &path(&claimed, 1), status, "").await;
        let message = stored(&roster, &claimed).await;
        assert_eq!((message.state, message.reference.as_deref()), (state, Some("SM1")));
        assert_eq!(claim_sms(&roster, 9, CLAIM, 10).await.len(), 0, "nobody has to look any more");
    }
}

#[tokio::test]
async fn what_is_told_of_an_attempt_is_not_of_the_next() {
    let (roster, _dir) = reached_by_the_gateway();
    let org = roster.organization("Example").await;
    let claimed = accepted(&roster, &org, 1).await;
    roster.app().retry_message(&org.operator, claimed.message.id).await.expect("retried");
    tell(&roster, &path(&claimed, 1), "delivered", "").await;
    assert_eq!(stored(&roster, &claimed).await.state, State::Owed, "somebody wants it sent once more");
    let again = claim_sms(&roster, 2, 0, 1).await.remove(0);
    begin(&roster, &again, 2).await;
    assert!(ended(&roster, &again, 2, State::Accepted, Outcome::Accepted).await);
    tell(&roster, &path(&claimed, 1), "undelivered", "30005").await;
    assert_eq!(stored(&roster, &claimed).await.state, State::Accepted);
    tell(&roster, &path(&claimed, 2), "delivered", "").await;
    assert_eq!(stored(&roster, &claimed).await.state, State::Delivered);
    let outcomes: Vec<_> = attempts(&roster, &claimed).await.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Outcome::Accepted, Outcome::Delivered]);
}

#[tokio::test]
async fn an_opt_out_that_is_told_afterwards_is_one() {
    let (roster, _dir) = reached_by_the_gateway();
    let org = roster.organization("Example").await;
    let claimed = accepted(&roster, &org, 1).await;
    for _ in 0..2 {
        tell(&roster, &path(&claimed, 1), "failed", "21610").await;
    }
    let message = stored(&roster, &claimed).await;
    let attempt = attempts(&roster, &claimed).await.remove(0);
    assert_eq!((message.state, attempt.outcome), (State::Dropped, Outcome::Refused));
    assert_eq!(attempt.note, "the person has opted out (21610)");
    let stops = store(&roster).stops(PHONE).await.expect("stops");
    let stops: Vec<_> = stops.iter().map(|stop| (stop.stopped, &*stop.by, &*stop.reference)).collect();
    assert_eq!(stops, [(true, "gateway", "SM1")]);
    // Whoever took it back is not stopped by the same word said once more.
    roster.set_clock(at(1_000).as_millis());
    roster.app().record_stop(PHONE, false, "sms", "SM2").await.expect("recorded");
    tell(&roster, &path(&claimed, 1), "failed", "21610").await;
    assert!(!store(&roster).stops(PHONE).await.expect("stops").last().expect("the last word").stopped);
}

#[tokio::test]
async fn only_the_gateway_is_heard_and_nobody_learns_what_is_there() {
    let (roster, _dir) = reached_by_the_gateway();
    let org = roster.organization("Example").await;
    let other = roster.organization("Other").await;
    let claimed = accepted(&roster, &org, 1).await;
    let path = path(&claimed, 1);
    let params = [("MessageSid", "SM1"), ("MessageStatus", "delivered"), ("To", PHONE)];
    let refused = r#"{"error":"Access denied"}"#;
    let answer = post(&roster, "another-token", &path, &params).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::FORBIDDEN, refused));
    // A signature is for one address, its query included, and one form.
    let signed = signature(TOKEN, &format!("{PUBLIC}{path}"), &params);
    let send = async |path: &str, form: &str, signed: &str| {
        let request = Request::builder().method("POST").uri(path).header("x-twilio-signature", signed);
        roster.send(request.body(Body::from(form.to_owned())).expect("a request")).await.status
    };
    let form = "MessageSid=SM1&MessageStatus=delivered&To=%2B14155550100";
    let other_attempt = path.replace("attempt=1", "attempt=2");
    assert_eq!(send(&other_attempt, form, &signed).await, StatusCode::FORBIDDEN);
    assert_eq!(send(&path, &form.replace("delivered", "failed"), &signed).await, StatusCode::FORBIDDEN);
    assert_eq!(send(&path, form, "").await, StatusCode::FORBIDDEN);
    let long = "x".repeat(64 * 1024 + 1);
    assert_eq!(send(&path, &long, &signed).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(stored(&roster, &claimed).await.state, State::Accepted);

    // What there is not is answered as what there is.
    let (mine, message) = (claimed.organization.to_string(), claimed.message.id.to_string());
    for (right, wrong) in [
        (&*mine, &*other.id().to_string()),
        (&mine, "org_000000000000"),
        (&mine, "nobody"),
        (&message, "msg_1736937000_abc123def"),
        (&message, ""),
        ("attempt=1", "attempt=0"),
        ("attempt=1", "attempt=99999999999999999999"),
        ("attempt=1", "attempt="),
    ] {
        tell(&roster, &path.replace(right, wrong), "delivered", "").await;
    }
    tell(&roster, "/sms/status", "delivered", "").await;
    assert_eq!(stored(&roster, &claimed).await.state, State::Accepted);
    assert_eq!(send(&path, form, &signed).await, StatusCode::OK);
    assert_eq!(stored(&roster, &claimed).await.state, State::Delivered);
}

#[tokio::test]
async fn without_a_public_address_nothing_is_taken() {
    let roster = Roster::new();
    let answer = post(&roster, TOKEN, "/sms/status", &[("MessageStatus", "delivered")]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
