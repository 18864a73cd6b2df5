//! A clinic's gateway for text messages, as Twilio's Messages resource behaves, with faults where a test wants them.
//!
//! Real Twilio was not asked. What is here is from its documentation: the resource, its errors, its list, its status
//! callbacks and its signature.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::fmt::rfc2822;
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    binary::Server,
    receiver::{Act, Received, Receiver, status},
};

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000000";
pub(crate) const TOKEN: &str = "not-a-real-token";
pub(crate) const SENDER: &str = "+14155550100";

/// What goes wrong with one request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The connection ends after the message was taken.
    LostAfterTaking,
    /// The connection ends, and the message was not taken.
    LostWithoutTaking,
    /// 500 although the message was taken.
    ErrorAfterTaking,
    /// 500, and the message was not taken.
    ErrorWithoutTaking,
    /// 429, with these seconds to wait.
    TooMany(u32),
    /// The person has told the gateway to stop.
    OptedOut,
    /// The number is none.
    InvalidNumber,
}

#[derive(Default)]
struct Book {
    posted: HashMap<String, u32>,
    taken: Vec<Value>,
    /// Where it is told what becomes of each message that was taken; "" where nobody wants to hear it.
    callbacks: Vec<String>,
    /// What becomes of those for a number: their status and code.
    fates: HashMap<String, (String, Option<u32>)>,
}

/// The gateway.
pub(crate) struct Gateway {
    pub(crate) receiver: Receiver,
    book: Arc<Mutex<Book>>,
}

impl Gateway {
    pub(crate) fn new() -> Self {
        Self::with(|_, _| Fault::None)
    }

    /// A gateway with faults: by the number a message is for, and how often it was posted before.
    pub(crate) fn with(fault: impl Fn(&str, u32) -> Fault + Send + Sync + 'static) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = book.clone();
        let receiver = Receiver::start(move |request| respond(request, &mut kept.lock().expect("no panic"), &fault));
        Self { receiver, book }
    }

    /// How often a message for this number was posted.
    pub(crate) fn posted(&self, to: &str) -> u32 {
        self.book.lock().expect("no panic").posted.get(to).copied().unwrap_or(0)
    }

    /// The texts that were taken for this number.
    pub(crate) fn taken(&self, to: &str) -> Vec<String> {
        let book = self.book.lock().expect("no panic");
        let texts = book.taken.iter().filter(|message| message["to"] == to);
        texts.map(|message| message["body"].as_str().expect("text").to_owned()).collect()
    }

    /// How many messages were taken for each number.
    pub(crate) fn all_taken(&self) -> HashMap<String, u32> {
        let mut counts = HashMap::new();
        for message in &self.book.lock().expect("no panic").taken {
            *counts.entry(message["to"].as_str().expect("a number").to_owned()).or_default() += 1;
        }
        counts
    }

    /// What becomes of messages for this number, as whoever asks is told. Nobody is called back.
    pub(crate) fn becomes(&self, to: &str, status: &str, code: Option<u32>) {
        let fate = (status.to_owned(), code);
        self.book.lock().expect("no panic").fates.insert(to.to_owned(), fate);
    }

    /// Where the gateway is to tell what becomes of the newest message for this number, and its name; "" for nowhere.
    pub(crate) fn callback(&self, to: &str) -> (String, String) {
        let book = self.book.lock().expect("no panic");
        let nth = book.taken.iter().rposition(|message| message["to"] == to).expect("a message");
        (book.callbacks[nth].clone(), book.taken[nth]["sid"].as_str().expect("an id").to_owned())
    }

    /// Tells what became of the newest message for this number where it was asked to, at a server that has this public
    /// address.
    pub(crate) fn call_back(&self, server: &Server, public: &str, to: &str, status: &str, code: Option<u32>) {
        let (url, sid) = self.callback(to);
        let path = url.strip_prefix(public).unwrap_or_else(|| panic!("{url} is not at {public}"));
        let code = code.map(|code| code.to_string());
        let mut params =
            vec![("AccountSid", ACCOUNT), ("From", SENDER), ("MessageSid", &sid), ("MessageStatus", status)];
        params.extend(code.as_deref().map(|code| ("ErrorCode", code)));
        params.extend([("SmsSid", &*sid), ("SmsStatus", status), ("To", to)]);
        assert_eq!(post(server, path, &signature(TOKEN, &url, &params), &params), 200);
    }

    /// The flags that make `roster serve` use it. Its token goes in the environment.
    pub(crate) fn flags(&self) -> Vec<String> {
        let flags = ["--sms-url", &self.receiver.url(""), "--sms-account", ACCOUNT, "--sms-from", SENDER];
        flags.map(str::to_owned).to_vec()
    }
}

/// How the gateway signs what it posts to this address.
pub(crate) fn signature(token: &str, url: &str, params: &[(&str, &str)]) -> String {
    let mut sorted = params.to_vec();
    sorted.sort_unstable();
    let signed = sorted.iter().fold(url.to_owned(), |signed, (name, value)| signed + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.encode(hmac::sign(&key, signed.as_bytes()))
}

/// Posts a form as the gateway does: the status of the answer.
pub(crate) fn post(server: &Server, path: &str, signature: &str, params: &[(&str, &str)]) -> u16 {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let mut wire = server.wire();
    wire.send(format!(
        "POST {path} HTTP/1.1\r\nhost: roster\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         x-twilio-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    wire.answer().status
}

fn respond(request: &Received, book: &mut Book, fault: &impl Fn(&str, u32) -> Fault) -> Act {
    let answer = |code: u16, body: Value| {
        Act::from(status(code).header("Content-Type", "application/json").body(body.to_string()))
    };
    let refusal = |status: u16, code: u32, message: &str| {
        let more_info = format!("https://www.twilio.com/docs/errors/{code}");
        answer(status, json!({ "code": code, "message": message, "more_info": more_info, "status": status }))
    };
    let basic = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    if request.header("authorization") != basic {
        return refusal(401, 20003, "Authenticate");
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let messages = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages");
    let shown = |sid: &str| book.taken.iter().find(|message| message["sid"] == sid);
    let sid = path.strip_prefix(&messages).and_then(|rest| rest.strip_prefix('/')?.strip_suffix(".json"));
    if let Some(message) = sid.and_then(shown)
        && request.method == "GET"
    {
        let mut message = message.clone();
        if let Some((status, code)) = book.fates.get(message["to"].as_str().expect("a number")) {
            message["status"] = status.as_str().into();
            message["error_code"] = (*code).into();
        }
        return answer(200, message);
    }
    if path != messages + ".json" {
        return refusal(404, 20404, "The requested resource was not found");
    }
    if request.method == "GET" {
        let to = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "To").expect("a To").1;
        let messages: Vec<_> = book.taken.iter().rev().filter(|message| message["to"] == *to).take(50).collect();
        return answer(200, json!({ "messages": messages, "page": 0, "page_size": 50, "next_page_uri": null }));
    }
    let form: HashMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    let (to, from, body) = (field("To"), field("From"), field("Body"));
    for (value, code, message) in [
        (&to, 21604, "'To' phone number is required"),
        (&from, 21603, "'From' phone number is required"),
        (&body, 21602, "Message body is required"),
    ] {
        if value.is_empty() {
            return refusal(400, code, message);
        }
    }
    let posted = book.posted.entry(to.clone()).or_default();
    let fault = fault(&to, *posted);
    *posted += 1;
    let sid = format!("SM{:032x}", book.taken.len() + 1);
    let now = rfc2822::DateTimePrinter::new().timestamp_to_string(&jiff::Timestamp::now()).expect("a date");
    let message = json!({
        "sid": sid, "account_sid": ACCOUNT, "status": "queued", "to": to, "from": from, "body": body,
        "date_created": now.replace("-0000", "+0000"), "direction": "outbound-api",
        "error_code": null, "error_message": null, "num_segments": "1", "price": null, "messaging_service_sid": null
    });
    if matches!(fault, Fault::None | Fault::LostAfterTaking | Fault::ErrorAfterTaking) {
        book.taken.push(message.clone());
        book.callbacks.push(field("StatusCallback"));
    }
    match fault {
        Fault::None => answer(201, message),
        Fault::LostAfterTaking | Fault::LostWithoutTaking => Act::Close,
        Fault::ErrorAfterTaking | Fault::ErrorWithoutTaking => refusal(500, 20500, "Internal server error"),
        Fault::TooMany(seconds) => {
            let body = json!({ "code": 20429, "message": "Too many requests", "status": 429 });
            status(429).header("Retry-After", seconds).body(body.to_string()).into()
        }
        Fault::OptedOut => refusal(400, 21610, "Attempt to send to unsubscribed recipient"),
        Fault::InvalidNumber => refusal(400, 21211, "The 'To' number is not a valid phone number"),
    }
}
