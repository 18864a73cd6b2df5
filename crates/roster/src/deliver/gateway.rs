//! The clinic's own gateway for text messages: anything that speaks Twilio's Messages resource.
//!
//! Sending is not idempotent, as Twilio says itself: a request that may have arrived is never repeated. So every answer,
//! and every way to get none, is one of a few classes.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use form_urlencoded::Serializer;
use http_body_util::Full;
use hyper::{
    Request,
    header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
};
use roster_directory::{
    Timestamp,
    outbox::{Outcome, State},
};
use serde::Deserialize;
use url::Url;

use super::{
    USER_AGENT as OURS,
    client::{Client, Reply, Trouble},
};

/// Milliseconds that the gateway's clock may be behind ours.
const CLOCK_SKEW: i64 = 2 * 60 * 1_000;

/// Where text messages go, and as whom.
pub struct Gateway {
    client: Client,
    /// Of the account; each message stands below it.
    messages: Url,
    authorization: String,
    sender: Sender,
}

/// Who a text message comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A number, or a short code.
    Number(String),
    /// A messaging service, `MG…`, which chooses the number.
    Service(String),
}

impl Sender {
    /// Reads a number in E.164 form, a short code of three to eight digits, or the id of a messaging service.
    pub fn parse(text: &str) -> Option<Self> {
        let is_service = |id: &str| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        let (plus, digits) = text.strip_prefix('+').map_or((false, text), |digits| (true, digits));
        // E.164 begins with a country's code, none of which begins with 0, and has 15 digits at most.
        let in_range = if plus { 7..=15 } else { 3..=8 }.contains(&digits.len());
        if text.strip_prefix("MG").is_some_and(is_service) {
            Some(Self::Service(text.to_owned()))
        } else if in_range && is_number(digits) && !(plus && digits.starts_with('0')) {
            Some(Self::Number(text.to_owned()))
        } else {
            None
        }
    }
}

/// What became of a text message that was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// The gateway took it, under this name.
    Taken(Option<String>),
    /// It surely was not sent, and may be the next time; not before this long.
    NotSent(Option<Duration>),
    /// It never will be.
    Refused,
    /// It never will be: the person told the gateway so (Twilio's error 21610).
    OptedOut,
    /// It may have been sent.
    Unknown,
}

/// What became of it, and how we know.
#[derive(Debug)]
pub struct Said {
    /// What became of it.
    pub sent: Sent,
    /// The status that was answered, if one was.
    pub status: Option<u16>,
    /// In words that are ours.
    pub note: String,
}

/// Whether the gateway knows of a text message.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// It does, under this name.
    Yes(Option<String>),
    /// It does not (yet).
    No,
    /// It does not say.
    NotTold,
}

/// What the gateway says became of a text message that it took.
#[derive(Debug, PartialEq, Eq)]
pub struct Fate {
    /// What it is now. [`State::Dropped`]: the person told the gateway to stop (21610).
    pub state: State,
    /// What the attempt came to.
    pub outcome: Outcome,
    /// In words that are ours.
    pub note: String,
}

impl Fate {
    /// Reads a status of the gateway's and, where it did not arrive, its code (Twilio, "Message status values");
    /// `None`: it is none that says anything.
    pub fn read(status: &str, code: Option<u32>) -> Option<Self> {
        let (state, outcome, said) = match (status, code) {
            ("failed" | "undelivered", Some(21610)) => (State::Dropped, Outcome::Refused, "the person has opted out"),
            ("accepted" | "scheduled" | "queued" | "sending" | "sent", _) => {
                return Some(Self::new(State::Accepted, Outcome::Accepted, "the gateway took it".to_owned()));
            }
            ("delivered" | "read", _) => {
                return Some(Self::new(State::Delivered, Outcome::Delivered, "it reached the phone".to_owned()));
            }
            ("undelivered", _) => (State::Undelivered, Outcome::Undelivered, "it did not reach the phone"),
            ("failed" | "canceled", _) => (State::Failed, Outcome::Refused, "the gateway gave it up"),
            _ => return None,
        };
        let note = code.map_or_else(|| said.to_owned(), |code| format!("{said} ({code})"));
        Some(Self::new(state, outcome, note))
    }

    fn new(state: State, outcome: Outcome, note: String) -> Self {
        Self { state, outcome, note }
    }
}

#[derive(Deserialize)]
struct Shown {
    to: String,
    status: String,
    error_code: Option<u32>,
}

#[derive(Deserialize)]
struct Taken {
    sid: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<u32>,
}

#[derive(Deserialize)]
struct Listing {
    messages: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    sid: Option<String>,
    body: String,
    date_created: String,
}

impl Gateway {
    /// The gateway at this address, for this account.
    pub fn new(client: Client, address: &Url, account: &str, token: &str, sender: Sender) -> anyhow::Result<Self> {
        let mut messages = address.clone();
        let mut path = messages.path_segments_mut().map_err(|()| anyhow::anyhow!("it is no address of a server"))?;
        path.pop_if_empty().extend(["2010-04-01", "Accounts", account, "Messages.json"]);
        drop(path);
        let authorization = format!("Basic {}", STANDARD.encode(format!("{account}:{token}")));
        Ok(Self { client, messages, authorization, sender })
    }

    /// Sends a text message to a number in E.164 form. What becomes of it is told at `callback`.
    pub async fn send(&self, to: &str, text: &str, callback: Option<&str>) -> Said {
        let request = self
            .request("POST", &self.messages)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(self.form(to, text, callback)));
        match request {
            Ok(request) => said(self.client.send(request).await),
            Err(_) => Said { sent: Sent::Refused, status: None, note: "the request cannot be written".to_owned() },
        }
    }

    fn form(&self, to: &str, text: &str, callback: Option<&str>) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("To", to);
        match &self.sender {
            Sender::Number(number) => form.append_pair("From", number),
            Sender::Service(id) => form.append_pair("MessagingServiceSid", id),
        };
        if let Some(callback) = callback {
            form.append_pair("StatusCallback", callback);
        }
        form.append_pair("Body", text).finish()
    }

    /// Asks what became of a text message that it took under this name: the number it went to, and its fate; `None`: it
    /// does not say.
    pub async fn fate(&self, sid: &str) -> Option<(String, Fate)> {
        let mut url = self.messages.clone();
        url.path_segments_mut().ok()?.pop().extend(["Messages", &format!("{sid}.json")]);
        let request = self.request("GET", &url).body(Full::default()).ok()?;
        let reply = self.client.send(request).await.ok().filter(|reply| reply.status == 200)?;
        let shown: Shown = serde_json::from_slice(&reply.body).ok()?;
        Some((shown.to, Fate::read(&shown.status, shown.error_code)?))
    }

    /// Asks whether it took a text message with this text for this number since.
    pub async fn knows(&self, to: &str, text: &str, since: Timestamp) -> Known {
        let mut url = self.messages.clone();
        url.query_pairs_mut().append_pair("To", to).append_pair("PageSize", "50");
        let Ok(request) = self.request("GET", &url).body(Full::default()) else { return Known::NotTold };
        let Ok(reply) = self.client.send(request).await else { return Known::NotTold };
        let listing = match reply.status {
            200 => serde_json::from_slice::<Listing>(&reply.body).ok(),
            _ => None,
        };
        let Some(listing) = listing else { return Known::NotTold };
        let since = since.as_millis() - CLOCK_SKEW;
        let is_it = |listed: &&Listed| {
            let created = jiff::fmt::rfc2822::parse(&listed.date_created);
            // Whole seconds, and what a trial account puts before the text.
            listed.body.ends_with(text) && created.is_ok_and(|at| at.timestamp().as_millisecond() >= since)
        };
        listing.messages.iter().find(is_it).map_or(Known::No, |listed| Known::Yes(sid(listed.sid.as_deref())))
    }

    fn request(&self, method: &str, url: &Url) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(AUTHORIZATION, &self.authorization)
            .header(USER_AGENT, OURS)
    }
}

fn said(reply: Result<Reply, Trouble>) -> Said {
    let reply = match reply {
        Ok(reply) => reply,
        Err(Trouble::NotSent(why)) => {
            return Said { sent: Sent::NotSent(None), status: None, note: why.to_string() };
        }
        Err(Trouble::Unknown(why)) => return Said { sent: Sent::Unknown, status: None, note: why.to_string() },
    };
    let code = || serde_json::from_slice::<Refusal>(&reply.body).ok().and_then(|refusal| refusal.code);
    let (sent, note) = match reply.status {
        200..=299 => {
            let taken = serde_json::from_slice::<Taken>(&reply.body).ok();
            (Sent::Taken(sid(taken.and_then(|taken| taken.sid).as_deref())), "the gateway took it".to_owned())
        }
        429 => (Sent::NotSent(reply.retry_after), "too many at once".to_owned()),
        // The account, its address or its right to send: the operator's to mend, and nothing was sent.
        401 | 403 | 404 => (Sent::NotSent(None), "the gateway does not know the account".to_owned()),
        // Refused as it stands; a request that took too long to arrive (408) is another matter.
        400..=499 if reply.status != 408 => match code() {
            Some(21610) => (Sent::OptedOut, "the person has opted out (21610)".to_owned()),
            Some(code) => (Sent::Refused, format!("the gateway refused it ({code})")),
            None => (Sent::Refused, "the gateway refused it".to_owned()),
        },
        _ => (Sent::Unknown, "the gateway failed".to_owned()),
    };
    Said { sent, status: Some(reply.status), note }
}

/// A name that the gateway gave, if it looks like one.
pub(crate) fn sid(text: Option<&str>) -> Option<String> {
    let sane = |text: &&str| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    text.filter(sane).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{super::client::Why, *};

    fn replied(status: u16, body: &'static str) -> Said {
        said(Ok(Reply { status, retry_after: None, body: Bytes::from_static(body.as_bytes()) }))
    }

    #[test]
    fn every_answer_is_one_of_a_few_classes() {
        assert_eq!(replied(201, r#"{"sid":"SM1"}"#).sent, Sent::Taken(Some("SM1".to_owned())));
        assert_eq!(replied(200, "ok").sent, Sent::Taken(None));
        assert_eq!(replied(201, r#"{"sid":"<script>"}"#).sent, Sent::Taken(None));
        for status in [401, 403, 404, 429] {
            assert_eq!(replied(status, "{}").sent, Sent::NotSent(None), "{status}");
        }
        assert_eq!(replied(400, r#"{"code":21610}"#).sent, Sent::OptedOut);
        assert_eq!(replied(400, r#"{"code":21211}"#).note, "the gateway refused it (21211)");
        for (status, body) in [(400, ""), (422, "no"), (413, "{}")] {
            assert_eq!(replied(status, body).sent, Sent::Refused, "{status}");
        }
        for status in [100, 302, 307, 408, 500, 502, 503, 599] {
            assert_eq!(replied(status, "").sent, Sent::Unknown, "{status}");
        }
        assert_eq!(said(Err(Trouble::NotSent(Why::NotConnected))).sent, Sent::NotSent(None));
        assert_eq!(said(Err(Trouble::Unknown(Why::Timeout))).sent, Sent::Unknown);
    }

    #[test]
    fn every_status_is_one_of_a_few_fates() {
        let read = |status, code| Fate::read(status, code).map(|fate| (fate.state, fate.note));
        for status in ["accepted", "scheduled", "queued", "sending", "sent"] {
            assert_eq!(read(status, None), Some((State::Accepted, "the gateway took it".to_owned())), "{status}");
        }
        for status in ["delivered", "read"] {
            assert_eq!(read(status, None), Some((State::Delivered, "it reached the phone".to_owned())), "{status}");
        }
        let note = "it did not reach the phone (30005)".to_owned();
        assert_eq!(read("undelivered", Some(30005)), Some((State::Undelivered, note)));
        for (status, code, note) in [
            ("failed", Some(30003), "the gateway gave it up (30003)"),
            ("failed", None, "the gateway gave it up"),
            ("canceled", None, "the gateway gave it up"),
        ] {
            assert_eq!(read(status, code), Some((State::Failed, note.to_owned())), "{status}");
        }
        for status in ["failed", "undelivered"] {
            let note = "the person has opted out (21610)".to_owned();
            assert_eq!(read(status, Some(21610)), Some((State::Dropped, note)), "{status}");
        }
        for status in ["", "Delivered", "received", "partially_delivered"] {
            assert_eq!(read(status, None), None, "{status}");
        }
    }

    #[test]
    fn a_sender_is_a_number_or_a_service() {
        let service = "MG0123456789abcdef0123456789abcdef";
        assert_eq!(Sender::parse(service), Some(Sender::Service(service.to_owned())));
        for number in ["+14155552671", "12345", "890"] {
            assert_eq!(Sender::parse(number), Some(Sender::Number(number.to_owned())), "{number}");
        }
        for text in ["", "+", "+4420", "MGM", "4155552671", "+0123456789", "+1 415 555 2671", "12", "Clinic"] {
            assert_eq!(Sender::parse(text), None, "{text}");
        }
    }
}
