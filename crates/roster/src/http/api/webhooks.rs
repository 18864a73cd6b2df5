//! `/api/v1/webhooks`: who is told what happened in an organization, and what they were told.

mod shape;

use axum::extract::{Path, RawQuery, State, rejection::PathRejection};
use roster_directory::{
    EventId, Flaw, Issue, MessageId, WebhookId,
    audit::Action,
    outbox,
    webhook::{Description, WebhookUrl},
};
use roster_store::outbox::Filter;

use super::{
    super::{AppState, auth::Manager},
    body::{Check, Fields, JsonBody},
    error::ApiResult,
    json,
    query::{given, one, take, whole_number},
};
use crate::app::{Error, NewWebhook};
use shape::{
    CreateWebhookRequest, DeliveryBody, DeliveryCreated, DeliveryDetail, DeliveryPage, DeliveryParams, Done,
    ReplayRequest, WebhookAnswer, WebhookBody, WebhookList, WebhookSecretAnswer,
};

/// Deliveries of a page at most.
const MOST: u64 = 100;

/// Where an address was written that is no id: nothing is there.
type Found<T> = Result<Path<T>, PathRejection>;

/// Create a webhook
///
/// It is told of what happens from now on, signed as Standard Webhooks 1.0.0 has it with the secret of the answer, which
/// is shown this once. Only ADMIN and HIPP_ADMIN may see and change webhooks; an organization may have 20.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    request_body(content = CreateWebhookRequest, content_type = "application/json", examples(
        ("basic" = (summary = "Hear of everything", value = json!({ "url": "https://hooks.example.com/roster" }))),
        ("some" = (summary = "Hear of new users", value = json!({
            "url": "https://hooks.example.com/roster", "events": ["user.created"], "description": "Scheduling"
        })))
    )),
    responses((status = 200, description = "Webhook created successfully", body = WebhookSecretAnswer))
)]
pub(crate) async fn create_webhook(State(shared): AppState, Manager(caller): Manager, body: JsonBody) -> ApiResult {
    let webhook = shared.app.create_webhook(&caller, new_webhook(&body.0)?).await?;
    let (secret, webhook) = (webhook.secret.reveal(), WebhookBody::of(&webhook));
    Ok(json(&WebhookSecretAnswer { message: "Webhook created successfully", secret, webhook }))
}

/// Get the organization's webhooks
///
/// All of them, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    responses((status = 200, description = "OK", body = WebhookList))
)]
pub(crate) async fn list_webhooks(State(shared): AppState, Manager(caller): Manager) -> ApiResult {
    let webhooks = shared.app.webhooks(&caller).await?;
    Ok(json(&WebhookList { data: webhooks.iter().map(WebhookBody::of).collect() }))
}

/// Get a webhook
///
/// Without its secret.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhookId}",
    operation_id = "getWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$")),
    responses((status = 200, description = "OK", body = WebhookBody))
)]
pub(crate) async fn get_webhook(State(shared): AppState, Manager(caller): Manager, path: Found<String>) -> ApiResult {
    Ok(json(&WebhookBody::of(&shared.app.webhook(&caller, webhook_id(path)?).await?)))
}

/// Delete a webhook
///
/// What it is still owed is dropped.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{webhookId}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$")),
    responses((status = 200, description = "Webhook deleted", body = Done))
)]
pub(crate) async fn delete_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Found<String>,
) -> ApiResult {
    shared.app.delete_webhook(&caller, webhook_id(path)?).await?;
    Ok(json(&Done { message: "Webhook deleted" }))
}

/// Pause a webhook
///
/// It is told nothing until it is resumed, and then what happened meanwhile.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhookId}/pause",
    operation_id = "pauseWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$")),
    responses((status = 200, description = "Webhook paused", body = WebhookAnswer))
)]
pub(crate) async fn pause_webhook(State(shared): AppState, Manager(caller): Manager, path: Found<String>) -> ApiResult {
    let webhook = shared.app.pause_webhook(&caller, webhook_id(path)?).await?;
    Ok(json(&WebhookAnswer { message: "Webhook paused", webhook: WebhookBody::of(&webhook) }))
}

/// Resume a webhook
///
/// Whether it was paused, or disabled because its receiver answered 410. It goes on where it was.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhookId}/resume",
    operation_id = "resumeWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$")),
    responses((status = 200, description = "Webhook resumed", body = WebhookAnswer))
)]
pub(crate) async fn resume_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Found<String>,
) -> ApiResult {
    let webhook = shared.app.resume_webhook(&caller, webhook_id(path)?).await?;
    Ok(json(&WebhookAnswer { message: "Webhook resumed", webhook: WebhookBody::of(&webhook) }))
}

/// Make a new secret
///
/// Messages are signed with the secret before as well for 24 hours. The new one is shown this once.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhookId}/rotate",
    operation_id = "rotateWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$")),
    responses((status = 200, description = "Secret rotated", body = WebhookSecretAnswer))
)]
pub(crate) async fn rotate_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Found<String>,
) -> ApiResult {
    let webhook = shared.app.rotate_webhook(&caller, webhook_id(path)?).await?;
    let (secret, webhook) = (webhook.secret.reveal(), WebhookBody::of(&webhook));
    Ok(json(&WebhookSecretAnswer { message: "Secret rotated", secret, webhook }))
}

/// Send a test
///
/// A message of the type `webhook.test`, delivered as any other: see its delivery for what came of it.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhookId}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$")),
    responses((status = 200, description = "Test is owed", body = DeliveryCreated))
)]
pub(crate) async fn test_webhook(State(shared): AppState, Manager(caller): Manager, path: Found<String>) -> ApiResult {
    let id = shared.app.test_webhook(&caller, webhook_id(path)?).await?;
    Ok(json(&DeliveryCreated::of("Test is owed", &id)))
}

/// Replay an event
///
/// Tells the webhook of an event once more, whatever became of it before.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{webhookId}/replay",
    operation_id = "replayEvent",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$")),
    request_body(content = ReplayRequest, content_type = "application/json", examples(
        ("basic" = (summary = "Once more", value = json!({ "event": "evt_0123456789ab_000000000001" })))
    )),
    responses((status = 200, description = "Event is owed once more", body = DeliveryCreated))
)]
pub(crate) async fn replay_event(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Found<String>,
    body: JsonBody,
) -> ApiResult {
    let webhook = webhook_id(path)?;
    let id = shared.app.replay_event(&caller, webhook, event_id(&body.0)?).await?;
    Ok(json(&DeliveryCreated::of("Event is owed once more", &id)))
}

/// Get what a webhook was told
///
/// Or is to be told; the newest first. Deliveries are forgotten 30 days after they ended.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhookId}/deliveries",
    operation_id = "listDeliveries",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(
        ("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$"),
        DeliveryParams
    ),
    responses((status = 200, description = "OK", body = DeliveryPage))
)]
pub(crate) async fn list_deliveries(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Found<String>,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let webhook = webhook_id(path)?;
    let (filter, limit) = asked(query.as_deref().unwrap_or_default())?;
    let found = shared.app.deliveries(&caller, webhook, filter, limit + 1).await?;
    let has_more = found.len() > limit as usize;
    let data = found.iter().take(limit as usize).map(DeliveryBody::of).collect();
    Ok(json(&DeliveryPage { data, has_more }))
}

/// Get one delivery
///
/// With every attempt at it.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{webhookId}/deliveries/{deliveryId}",
    operation_id = "getDelivery",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(
        ("webhookId" = String, Path, description = "Webhook public identifier", pattern = "^whk_[a-z0-9]{12}$"),
        ("deliveryId" = String, Path, description = "Delivery public identifier", pattern = "^msg_[a-z0-9]{12}$")
    ),
    responses((status = 200, description = "OK", body = DeliveryDetail))
)]
pub(crate) async fn get_delivery(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Found<(String, String)>,
) -> ApiResult {
    let (webhook, delivery) = path.map(|Path(ids)| ids).unwrap_or_default();
    let mut issues = Vec::new();
    let (webhook, delivery) = (WebhookId::parse(&webhook), MessageId::parse(&delivery));
    for (is_one, name, message) in [
        (webhook.is_some(), "webhookId", "Invalid webhookId format"),
        (delivery.is_some(), "deliveryId", "Invalid deliveryId format"),
    ] {
        issues.extend((!is_one).then(|| Flaw::malformed(message).at([name])));
    }
    let (Some(webhook), Some(delivery)) = (webhook, delivery) else { return Err(issues.into()) };
    let (message, attempts) = shared.app.delivery(&caller, webhook, delivery).await?;
    Ok(json(&DeliveryDetail::of(&message, &attempts)))
}

fn webhook_id(path: Found<String>) -> Result<WebhookId, Error> {
    let id = path.ok().and_then(|Path(id)| WebhookId::parse(&id));
    id.ok_or_else(|| Error::Invalid(vec![Flaw::malformed("Invalid webhookId format").at(["webhookId"])]))
}

/// [`Action::ALL`], as zod lists an enum's options.
fn event_types() -> String {
    Action::ALL.map(|action| format!("'{}'", action.as_str())).join(" | ")
}

fn new_webhook(body: &[u8]) -> Result<NewWebhook, Vec<Issue>> {
    let fields = Fields::read(body, &["url", "events", "description"])?;
    let [url, events, description] = &fields.0;
    let mut check = Check::default();
    let url = check.required("url", url, WebhookUrl::parse);
    let types = event_types();
    let events = check.choices("events", events, Action::ALL.len(), &types, Action::parse);
    let description = check.optional("description", description, Description::parse);
    check.finish()?;
    let Some(url) = url else { unreachable!("a required field that is missing is an issue") };
    let description = description.unwrap_or_else(|| Description::from_stored(""));
    Ok(NewWebhook { url, description, events })
}

fn event_id(body: &[u8]) -> Result<EventId, Vec<Issue>> {
    let fields = Fields::read(body, &["event"])?;
    let mut check = Check::default();
    let id = |text: &str| EventId::parse(text).ok_or(Flaw::malformed("Invalid event format"));
    let event = check.required("event", &fields.0[0], id);
    check.finish()?;
    let Some(event) = event else { unreachable!("a required field that is missing is an issue") };
    Ok(event)
}

fn asked(query: &str) -> Result<(Filter, u32), Vec<Issue>> {
    let [state, limit, before] = given(query, &["state", "limit", "before"]);
    let (mut issues, mut filter, mut most) = (Vec::new(), Filter::default(), 25);
    let states = || outbox::State::ALL.map(|state| format!("'{}'", state.as_str())).join(" | ");
    let state_of = one(|text| outbox::State::parse(text).ok_or_else(|| Flaw::not_one_of(&states(), text)));
    take(&mut issues, "state", state, state_of, |state| filter.state = Some(state));
    take(&mut issues, "limit", limit, |text| whole_number(text, MOST), |limit| most = limit as u32);
    let message = one(|text| MessageId::parse(text).ok_or(Flaw::malformed("Invalid before format")));
    take(&mut issues, "before", before, message, |id| filter.before = Some(id));
    if issues.is_empty() { Ok((filter, most)) } else { Err(issues) }
}
