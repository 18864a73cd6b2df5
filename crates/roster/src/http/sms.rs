//! `POST /sms/inbound` and `POST /sms/status`: what people answer to text messages, and what became of those, as the
//! gateway passes it on.

use axum::{body::Body, extract::State};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use roster_directory::{MessageId, OrganizationId, outbox::Kind, phone, sms::Keyword};
use tokio::time::timeout;

use super::{
    AppState, Shared,
    api::error::{ApiResult, Refusal, not_found_now},
    plain_json,
};
use crate::deliver::{
    gateway::{self, Fate},
    signature,
};

/// The most bytes of a form that are read: a message has 1600 characters, and there are some thirty short fields.
const MOST: usize = 64 * 1024;

/// The answer that tells the gateway to say nothing more.
const NOTHING_TO_SAY: &[u8] = br#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

/// A person's message: STOP and its like end text messages to that number, START and its like begin them again.
/// Everything else is nobody's business here, and is not kept.
pub(crate) async fn inbound(State(shared): AppState, request: Request<Body>) -> ApiResult<Response<Body>> {
    let form = match signed_by_the_gateway(&shared, request).await? {
        Ok(signed) => signed.form,
        Err(refusal) => return Ok(refusal),
    };
    // Where the gateway itself keeps who has opted out, it says what it made of the message.
    let keyword = Keyword::parse(form.get("OptOutType")).or_else(|| Keyword::parse(form.get("Body")));
    let (from, id) = (form.get("From"), form.get("MessageSid"));
    if let Some(keyword) = keyword
        && phone::is_e164(from)
        && (1..=64).contains(&id.len())
    {
        shared.app.record_stop(from, keyword == Keyword::Stop, "sms", id).await?;
    }
    let mut response = Response::new(Body::from(NOTHING_TO_SAY));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    Ok(response)
}

/// What became of a message after the gateway took it. The query, which is signed with the rest of the address, says of
/// which. It comes in any order and any number of times; the first end counts. The answer says nothing of whether there is
/// such a message.
pub(crate) async fn status(State(shared): AppState, request: Request<Body>) -> ApiResult<Response<Body>> {
    let Signed { query, form } = match signed_by_the_gateway(&shared, request).await? {
        Ok(signed) => signed,
        Err(refusal) => return Ok(refusal),
    };
    let fate = Fate::read(form.get("MessageStatus"), form.get("ErrorCode").parse().ok());
    if let Some(fate) = fate
        && let Some(organization) = OrganizationId::parse(query.get("org"))
        && let Some(message) = MessageId::parse(query.get("message"))
        && let Ok(attempt) = query.get("attempt").parse::<u16>()
    {
        let state = fate.state;
        let sid = gateway::sid(Some(form.get("MessageSid")).filter(|sid| !sid.is_empty()));
        let message = (organization, message, attempt.into());
        if shared.app.sms_reported(message, (sid, form.get("To")), fate).await? {
            shared.metrics.settled(Kind::WelcomeSms, state);
        }
    }
    Ok(Response::new(Body::empty()))
}

/// A request that the gateway has signed.
struct Signed {
    query: Params,
    form: Params,
}

struct Params(Vec<(String, String)>);

impl Params {
    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// A parameter, or "" if it is not there.
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }
}

/// Reads a request of the gateway's. Without its signature it is a 403 (Twilio, "Validating signatures from Twilio").
async fn signed_by_the_gateway(shared: &Shared, request: Request<Body>) -> ApiResult<Result<Signed, Response<Body>>> {
    let Some(gateway) = &shared.inbound else { return Ok(Err(not_found_now())) };
    let (parts, body) = request.into_parts();
    let signature = parts.headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Params::parse(&read(body, shared.read_timeout).await?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", gateway.url);
    if !signature::is_the_gateways(&gateway.token, &url, &form.0, signature) {
        return Ok(Err(plain_json(StatusCode::FORBIDDEN, br#"{"error":"Access denied"}"#)));
    }
    Ok(Ok(Signed { query: Params::parse(parts.uri.query().unwrap_or_default().as_bytes()), form }))
}

async fn read(body: Body, limit: std::time::Duration) -> Result<Bytes, Refusal> {
    let read = timeout(limit, Limited::new(body, MOST).collect()).await.map_err(|_| Refusal::TooSlow)?;
    Ok(read.map_err(|_| Refusal::TooLarge)?.to_bytes())
}
