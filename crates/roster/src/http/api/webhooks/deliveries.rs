//! `/api/v1/webhooks/{publicId}/deliveries`, `/test` and `/replay`: what a webhook was told, and telling it once more.

use axum::extract::{Path, RawQuery, State, rejection::PathRejection};
use roster_directory::{EventId, Flaw, Issue, MessageId, WebhookId, outbox, repeat::Repeat};
use roster_store::outbox::Filter;

use super::{
    super::{
        super::{AppState, auth::Manager},
        body::{Check, Fields, JsonBody, NoFields, Value},
        error::ApiResult,
        etag::Conditions,
        json, json_bytes, json_text,
        params::{CURSOR, PAGE_SIZE, Piece, given, link_next, options, take},
        repeat::{answer_said, asked, once},
        shape::OneId,
    },
    shape::{
        DeliveryBody, DeliveryDetails, DeliveryList, DeliveryOwed, DeliveryParams, DeliveryRef, ReplayRequest,
        WebhookPath,
    },
    webhook_id,
};
use crate::app::Answering;

/// Send a test
///
/// Owes the webhook a message of type `webhook.test`, which is delivered as any other: see what becomes of it among the
/// deliveries. It is about nothing, so its `data.publicId` is `null`. A webhook that is paused gets it when it is resumed.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{publicId}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookPath),
    responses((status = 200, description = "OK", body = DeliveryOwed))
)]
pub(crate) async fn test_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    path: OneId,
    Conditions(headers): Conditions,
    body: NoFields,
) -> ApiResult {
    let id = webhook_id(path)?;
    let repeat = asked(&headers, &caller, &format!("POST /v1/webhooks/{id}/test"), &body.sent)?;
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, test_queued));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, MessageId>);
        Ok(json_bytes(test_queued(&shared.app.test_webhook(&caller, id, answering).await?).into()))
    };
    body.unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

fn test_queued(id: &MessageId) -> Vec<u8> {
    owed("Test queued successfully", *id)
}

fn replay_queued(id: &MessageId) -> Vec<u8> {
    owed("Replay queued successfully", *id)
}

/// What is said of a message that is owed.
fn owed(message: &'static str, id: MessageId) -> Vec<u8> {
    json_text(&DeliveryOwed { message, delivery: DeliveryRef { public_id: id.to_string() } })
}

/// Replay an event
///
/// Owes the webhook an event once more, whatever became of it before and whether or not the webhook hears of its type.
/// The message has the same `webhook-id` as before.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{publicId}/replay",
    operation_id = "replayEvent",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookPath),
    request_body(content = ReplayRequest, content_type = "application/json", examples(
        ("basic" = (summary = "An event of the feed", value = json!({ "event": "evt_abc123def456_000000000042" })))
    )),
    responses((status = 200, description = "OK", body = DeliveryOwed))
)]
pub(crate) async fn replay_event(
    State(shared): AppState,
    Manager(caller): Manager,
    path: OneId,
    Conditions(headers): Conditions,
    body: JsonBody,
) -> ApiResult {
    let id = webhook_id(path)?;
    let repeat = asked(&headers, &caller, &format!("POST /v1/webhooks/{id}/replay"), &body.0)?;
    let Fields { values: [event], unknown } = Fields::read(&body.0, &["event"])?;
    let event = event_of(&event);
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, replay_queued));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, MessageId>);
        Ok(json_bytes(replay_queued(&shared.app.replay_event(&caller, id, event?, answering).await?).into()))
    };
    unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

fn event_of(event: &Value<'_>) -> Result<EventId, Vec<Issue>> {
    let mut check = Check::default();
    let event =
        check.required("event", event, |text| EventId::parse(text).ok_or(Flaw::malformed("Invalid event format")));
    check.finish()?;
    let Some(event) = event else { unreachable!("a required field that is missing is an issue") };
    Ok(event)
}

/// List deliveries
///
/// What the webhook was told or is to be told, newest first. Events that it has not reached yet are not among them. What
/// is settled is kept for 30 days.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{publicId}/deliveries",
    operation_id = "listDeliveries",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(
        WebhookPath,
        DeliveryParams
    ),
    responses((
        status = 200, description = "OK", body = DeliveryList, headers((
            "Link" = String,
            description = "With `rel=\"next\"` the address of the older ones (RFC 8288), where there are some"
        ))
    ))
)]
pub(crate) async fn list_deliveries(
    State(shared): AppState,
    Manager(caller): Manager,
    path: OneId,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let id = webhook_id(path)?;
    let query = query.as_deref().unwrap_or_default();
    let (filter, size) = wanted(query)?;
    // One more than was asked for tells whether there are more.
    let mut found = shared.app.deliveries(&caller, id, filter, size + 1).await?;
    let goes_on = found.len() > size as usize;
    found.truncate(size as usize);
    let mut response = json(&DeliveryList { data: found.iter().map(DeliveryBody::of).collect() });
    if let Some(last) = found.last().filter(|_| goes_on) {
        link_next(response.headers_mut(), query, None, last.message.id.as_str());
    }
    Ok(response)
}

/// Get a delivery
///
/// With every attempt at it.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{publicId}/deliveries/{deliveryId}",
    operation_id = "getDelivery",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(
        WebhookPath,
        ("deliveryId" = String, Path, description = "Delivery public identifier", example = "msg_1736937000_abc123def",
         pattern = "^msg_[0-9]{10}_[a-z0-9]{9}$")
    ),
    responses((status = 200, description = "OK", body = DeliveryDetails))
)]
pub(crate) async fn get_delivery(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Result<Path<(String, String)>, PathRejection>,
) -> ApiResult {
    let (webhook, id) = both_ids(path)?;
    let (stored, attempts) = shared.app.delivery(&caller, webhook, id).await?;
    Ok(json(&DeliveryDetails::of(&stored, &attempts)))
}

fn both_ids(path: Result<Path<(String, String)>, PathRejection>) -> Result<(WebhookId, MessageId), Vec<Issue>> {
    let (webhook, message) = path.map_or_else(|_| Default::default(), |Path(ids)| ids);
    match (WebhookId::parse(&webhook), MessageId::parse(&message)) {
        (Some(webhook), Some(message)) => Ok((webhook, message)),
        (webhook, message) => {
            let webhook = webhook.is_none().then(|| Flaw::malformed("Invalid publicId format").at(["publicId"]));
            let message = message.is_none().then(|| Flaw::malformed("Invalid deliveryId format").at(["deliveryId"]));
            Err(webhook.into_iter().chain(message).collect())
        }
    }
}

fn wanted(query: &str) -> Result<(Filter, u32), Vec<Issue>> {
    let [state, page_size, cursor] = given(query, &PARAMETERS);
    let mut issues = Vec::new();
    let mut filter = Filter::default();
    let words = || options(outbox::State::OF_WEBHOOKS.map(outbox::State::as_str));
    let of_webhooks = |state: &outbox::State| outbox::State::OF_WEBHOOKS.contains(state);
    let state_of =
        |text: &str| outbox::State::parse(text).filter(of_webhooks).ok_or_else(|| Flaw::not_one_of(&words(), text));
    take(&mut issues, "state", state, state_of, |state| filter.state = Some(state));
    let Piece { size, after } = Piece::of([page_size, cursor], &mut issues, MessageId::parse);
    filter.before = after;
    if issues.is_empty() { Ok((filter, size)) } else { Err(issues) }
}

/// What a list of deliveries can be asked by.
pub(crate) const PARAMETERS: [&str; 3] = ["state", PAGE_SIZE, CURSOR];
