//! `POST /sms/inbound`: what people answer to text messages, as the gateway passes it on.

use axum::{body::Body, extract::State};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use roster_directory::sms::Keyword;
use tokio::time::timeout;

use super::{
    AppState,
    api::error::{ApiResult, Refusal, not_found_now},
    plain_json,
};
use crate::deliver::signature;

/// The most bytes of a form that are read: a message has 1600 characters, and there are some thirty short fields.
const MOST: usize = 64 * 1024;

/// The answer that tells the gateway to say nothing more.
const NOTHING_TO_SAY: &[u8] = br#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

/// A person's message: STOP and its like end text messages to that number, START and its like begin them again.
/// Everything else is nobody's business here, and is not kept.
///
/// Taken from the gateway only: without its signature it is a 403 (Twilio, "Validating signatures from Twilio").
pub(crate) async fn inbound(State(shared): AppState, request: Request<Body>) -> ApiResult<Response<Body>> {
    let Some(gateway) = &shared.inbound else { return Ok(not_found_now()) };
    let (parts, body) = request.into_parts();
    let signed = parts.headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = read(body, shared.read_timeout).await?;
    let params: Vec<(String, String)> = form_urlencoded::parse(&form).into_owned().collect();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", gateway.url);
    if !signature::is_the_gateways(&gateway.token, &url, &params, signed) {
        return Ok(plain_json(StatusCode::FORBIDDEN, br#"{"error":"Access denied"}"#));
    }
    let param = |name: &str| params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    // Where the gateway itself keeps who has opted out, it says what it made of the message.
    let keyword = Keyword::parse(param("OptOutType")).or_else(|| Keyword::parse(param("Body")));
    let (from, id) = (param("From"), param("MessageSid"));
    if let Some(keyword) = keyword
        && is_number(from)
        && (1..=64).contains(&id.len())
    {
        shared.app.record_stop(from, keyword == Keyword::Stop, "sms", id).await?;
    }
    let mut response = Response::new(Body::from(NOTHING_TO_SAY));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    Ok(response)
}

async fn read(body: Body, limit: std::time::Duration) -> Result<Bytes, Refusal> {
    let read = timeout(limit, Limited::new(body, MOST).collect()).await.map_err(|_| Refusal::TooSlow)?;
    Ok(read.map_err(|_| Refusal::TooLarge)?.to_bytes())
}

/// Whether it is a number in E.164 form.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (8..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}
