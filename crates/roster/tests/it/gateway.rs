//! A gateway for text messages, as Twilio's Messages resource is documented, with the faults that a test wants of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::receiver::{Act, Received, Receiver, Response, status};

/// The account that it knows, and its token.
pub(crate) const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "a-token-of-the-gateway";

/// Numbers that Twilio's test credentials answer with an error each.
pub(crate) const INVALID: &str = "+15005550001"; // 21211
pub(crate) const OPTED_OUT: &str = "+15005550004"; // 21610
pub(crate) const NO_MOBILE: &str = "+15005550009"; // 21614

/// What goes wrong with one post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// The connection is closed, and nothing was taken.
    LostBefore,
    /// It was taken, and the connection is closed.
    LostAfter,
    /// 500, and nothing was taken.
    FailsBefore,
    /// It was taken, and 500.
    FailsAfter,
    /// 429, and so many seconds to wait.
    TooMany(u64),
    /// It was taken, and there is no answer until the gateway is released.
    SilentAfter,
}

/// A text message that the gateway took.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) sid: String,
    pub(crate) to: String,
    pub(crate) body: String,
    from: Value,
    service: Value,
    at: String,
}

impl Taken {
    fn json(&self) -> Value {
        json!({
            "sid": self.sid, "account_sid": ACCOUNT, "status": "queued", "direction": "outbound-api",
            "to": self.to, "from": self.from, "messaging_service_sid": self.service, "body": self.body,
            "date_created": self.at, "date_updated": self.at, "date_sent": null,
            "error_code": null, "error_message": null, "num_media": "0", "num_segments": "1",
            "price": null, "price_unit": "USD", "api_version": "2010-04-01",
            "uri": format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{}.json", self.sid),
        })
    }
}

#[derive(Default)]
struct Book {
    taken: Vec<Taken>,
    posted: BTreeMap<String, u32>,
}

/// The gateway.
pub(crate) struct Gateway {
    pub(crate) receiver: Receiver,
    book: Arc<Mutex<Book>>,
}

impl Gateway {
    /// One that takes everything it should.
    pub(crate) fn faithful() -> Self {
        Self::start(|_, _| Fault::Nothing)
    }

    /// One that fails at so many percent of the posts, each time in one of the ways a gateway can, by chance alone.
    pub(crate) fn faulty(seed: u64, percent: u64) -> Self {
        const FAULTS: [Fault; 5] =
            [Fault::LostBefore, Fault::LostAfter, Fault::FailsBefore, Fault::FailsAfter, Fault::TooMany(1)];
        Self::start(move |to, nth| {
            // FNV-1a, and a last stir (splitmix64): the same seed fails at the same posts.
            let bytes = seed.to_le_bytes().into_iter().chain(to.bytes()).chain(nth.to_le_bytes());
            let fnv = bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3_u64));
            let stirred = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let stirred = (stirred ^ (stirred >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let chance = stirred ^ (stirred >> 31);
            if chance % 100 < percent { FAULTS[(chance / 100 % 5) as usize] } else { Fault::Nothing }
        })
    }

    /// One that fails as the script says, for a number and how often it was posted to before.
    pub(crate) fn start(script: impl Fn(&str, u32) -> Fault + Send + Sync + 'static) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = book.clone();
        Self { receiver: Receiver::start(move |request| answer(request, &kept, &script)), book }
    }

    /// What ROSTER_SMS_URL is to be.
    pub(crate) fn url(&self) -> String {
        self.receiver.url("")
    }

    /// Everything that it took, in that order.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.book.lock().expect("no panic").taken.clone()
    }

    /// How often it took a message for each number.
    pub(crate) fn times_taken(&self) -> BTreeMap<String, u32> {
        let mut times = BTreeMap::new();
        for message in &self.book.lock().expect("no panic").taken {
            *times.entry(message.to.clone()).or_default() += 1;
        }
        times
    }

    /// How often each number was posted to, whatever became of it.
    pub(crate) fn times_posted(&self) -> BTreeMap<String, u32> {
        self.book.lock().expect("no panic").posted.clone()
    }
}

fn answer(request: &Received, book: &Mutex<Book>, script: &impl Fn(&str, u32) -> Fault) -> Act {
    let basic = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{TOKEN}")));
    if request.header("authorization") != Some(&basic) {
        return error(401, 20003, "Authenticate").into();
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    match (request.method.as_str(), path == format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json")) {
        ("POST", true) => post(&fields(&request.body), book, script),
        ("GET", true) => list(&fields(query.as_bytes()), book).into(),
        (_, true) => error(405, 20004, "Method not allowed").into(),
        (_, false) => error(404, 20404, "The requested resource was not found").into(),
    }
}

fn fields(form: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(form).into_owned().collect()
}

fn post(form: &BTreeMap<String, String>, book: &Mutex<Book>, script: &impl Fn(&str, u32) -> Fault) -> Act {
    let field = |name: &str| form.get(name).filter(|value| !value.is_empty());
    let Some(to) = field("To") else { return error(400, 21604, "A 'To' phone number is required.").into() };
    let nth = {
        let mut book = book.lock().expect("no panic");
        let posted = book.posted.entry(to.clone()).or_default();
        *posted += 1;
        *posted - 1
    };
    let Some(body) = field("Body") else { return error(400, 21602, "Message body is required.").into() };
    let (from, service) = (field("From"), field("MessagingServiceSid"));
    if from.is_none() && service.is_none() {
        return error(400, 21603, "A 'From' phone number is required.").into();
    }
    let digits = to.strip_prefix('+').unwrap_or_default();
    if !(8..=15).contains(&digits.len()) || digits.bytes().any(|b| !b.is_ascii_digit()) || to == INVALID {
        return error(400, 21211, &format!("The 'To' number {to} is not a valid phone number.")).into();
    }
    match to.as_str() {
        OPTED_OUT => return error(400, 21610, "Attempt to send to unsubscribed recipient").into(),
        NO_MOBILE => return error(400, 21614, "'To' number is not a valid mobile number").into(),
        _ => {}
    }
    let fault = script(to, nth);
    match fault {
        Fault::LostBefore => return Act::Close,
        Fault::FailsBefore => return error(500, 20500, "An internal server error has occurred").into(),
        Fault::TooMany(seconds) => {
            return error(429, 20429, "Too Many Requests").header("Retry-After", seconds).into();
        }
        Fault::Nothing | Fault::LostAfter | Fault::FailsAfter | Fault::SilentAfter => {}
    }
    let taken = {
        let mut book = book.lock().expect("no panic");
        let at = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let sid = format!("SM{:032x}", book.taken.len() + 1);
        let (to, body) = (to.clone(), body.clone());
        let taken = Taken { sid, to, body, from: json!(from), service: json!(service), at };
        book.taken.push(taken.clone());
        taken
    };
    match fault {
        Fault::LostAfter => Act::Close,
        Fault::FailsAfter => error(500, 20500, "An internal server error has occurred").into(),
        Fault::SilentAfter => Act::Silence,
        _ => answered(201, &taken.json()).into(),
    }
}

/// The newest first, as many as are asked for; only the first page.
fn list(query: &BTreeMap<String, String>, book: &Mutex<Book>) -> Response {
    let size = query.get("PageSize").map_or(50, |size| size.parse().unwrap_or(50)).min(1_000);
    let wanted = |taken: &&Taken| query.get("To").is_none_or(|to| *to == taken.to);
    let book = book.lock().expect("no panic");
    let messages: Vec<_> = book.taken.iter().rev().filter(wanted).take(size).map(Taken::json).collect();
    answered(200, &json!({ "messages": messages, "page": 0, "page_size": size, "next_page_uri": null }))
}

fn answered(code: u16, body: &Value) -> Response {
    status(code).header("Content-Type", "application/json").body(body.to_string())
}

fn error(code: u16, number: u32, message: &str) -> Response {
    let more_info = format!("https://www.twilio.com/docs/errors/{number}");
    answered(code, &json!({ "code": number, "message": message, "more_info": more_info, "status": code }))
}
