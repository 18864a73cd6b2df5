//! `/api/v1/webhooks`: the addresses that hear of what happens.

pub(super) mod deliveries;
pub(super) mod shape;

use axum::extract::{Path, RawQuery, State};
use roster_directory::{
    Flaw, Issue, Webhook, WebhookId,
    audit::Action,
    repeat::Repeat,
    webhook::{Description, WebhookUrl},
};

use super::{
    super::{AppState, auth::Manager},
    body::{Check, Fields, JsonBody, NoFields, Value},
    error::ApiResult,
    etag::Conditions,
    json, json_bytes, json_text,
    params::{PIECE, Piece, given, link_next, options, piece_of},
    repeat::{answer_said, asked, once},
    shape::{Done, OneId},
};
use crate::app::{Answering, NewWebhook};
use shape::{
    CreateWebhookRequest, WebhookBody, WebhookChanged, WebhookList, WebhookParams, WebhookPath, WebhookSecretShown,
    WebhookWithSecret,
};

/// Create a webhook
///
/// From now on, what happens in your organization is told to this address: signed POSTs, as the Standard Webhooks
/// specification 1.0.0 has them. The secret that signs them is in this answer and in no other, so keep it. An organization
/// may have 20 webhooks.
#[utoipa::path(
    post,
    path = "/v1/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    request_body(content = CreateWebhookRequest, content_type = "application/json", examples(
        ("basic" = (summary = "Everything that happens", value = json!({ "url": "https://hooks.example.com/roster" }))),
        ("complete" = (summary = "New users only", value = json!({
            "url": "https://hooks.example.com/roster", "events": ["user.created"], "description": "Payroll"
        })))
    )),
    responses((
        status = 200, description = "Webhook created successfully", body = WebhookSecretShown,
        links(("getWebhook" = (
            operation_id = "getWebhook",
            parameters(("publicId" = "$response.body#/webhook/publicId")),
            description = "The webhook that was created"
        )))
    ))
)]
pub(crate) async fn create_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    Conditions(headers): Conditions,
    body: JsonBody,
) -> ApiResult {
    let repeat = asked(&headers, &caller, "POST /v1/webhooks", &body.0)?;
    let Fields { values, unknown } = Fields::read(&body.0, &["url", "events", "description"])?;
    let new = new_webhook(&values);
    let said = |webhook: &Webhook| {
        let (message, webhook) = ("Webhook created successfully", WebhookWithSecret::of(webhook));
        json_text(&WebhookSecretShown { message, webhook })
    };
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, said));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, Webhook>);
        Ok(json_bytes(said(&shared.app.create_webhook(&caller, new?, &shared.inside, answering).await?).into()))
    };
    unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

/// List webhooks
///
/// Your organization's, by id, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookParams),
    responses((
        status = 200, description = "OK", body = WebhookList, headers((
            "Link" = String,
            description = "With `rel=\"next\"` the address of the others (RFC 8288), where there are some"
        ))
    ))
)]
pub(crate) async fn list_webhooks(
    State(shared): AppState,
    Manager(caller): Manager,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let query = query.as_deref().unwrap_or_default();
    let mut issues = Vec::new();
    let Piece { size, after } = Piece::of(given(query, &PIECE), &mut issues, WebhookId::parse);
    if !issues.is_empty() {
        return Err(issues.into());
    }
    let all = shared.app.webhooks(&caller).await?;
    let (piece, goes_on) = piece_of(&all, after, size, |webhook| webhook.id)?;
    let mut response = json(&WebhookList { data: piece.iter().map(WebhookBody::of).collect() });
    if let Some(last) = piece.last().filter(|_| goes_on) {
        link_next(response.headers_mut(), query, None, last.id.as_str());
    }
    Ok(response)
}

/// Get a webhook
///
/// Without its secret.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{publicId}",
    operation_id = "getWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookPath),
    responses((status = 200, description = "OK", body = WebhookBody))
)]
pub(crate) async fn get_webhook(State(shared): AppState, Manager(caller): Manager, path: OneId) -> ApiResult {
    let webhook = shared.app.webhook(&caller, webhook_id(path)?).await?;
    Ok(json(&WebhookBody::of(&webhook)))
}

/// Delete a webhook
///
/// What it is still owed is dropped.
#[utoipa::path(
    delete,
    path = "/v1/webhooks/{publicId}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookPath),
    responses((status = 200, description = "OK", body = Done))
)]
pub(crate) async fn delete_webhook(State(shared): AppState, Manager(caller): Manager, path: OneId) -> ApiResult {
    shared.app.delete_webhook(&caller, webhook_id(path)?).await?;
    Ok(json(&Done { message: "Webhook deleted successfully" }))
}

/// Pause a webhook
///
/// It is told nothing more until it is resumed; then it is told what happened meanwhile. Pausing one that is paused
/// changes nothing.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{publicId}/pause",
    operation_id = "pauseWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookPath),
    responses((status = 200, description = "OK", body = WebhookChanged))
)]
pub(crate) async fn pause_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    path: OneId,
    Conditions(headers): Conditions,
    body: NoFields,
) -> ApiResult {
    let id = webhook_id(path)?;
    let repeat = asked(&headers, &caller, &format!("POST /v1/webhooks/{id}/pause"), &body.sent)?;
    let said = |webhook: &Webhook| {
        let webhook = WebhookBody::of(webhook);
        json_text(&WebhookChanged { message: "Webhook paused successfully", webhook })
    };
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, said));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, Webhook>);
        Ok(json_bytes(said(&shared.app.pause_webhook(&caller, id, answering).await?).into()))
    };
    body.unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

/// Resume a webhook
///
/// It is told again, from where it was, whether it had been paused or its receiver had answered 410.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{publicId}/resume",
    operation_id = "resumeWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookPath),
    responses((status = 200, description = "OK", body = WebhookChanged))
)]
pub(crate) async fn resume_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    path: OneId,
    Conditions(headers): Conditions,
    body: NoFields,
) -> ApiResult {
    let id = webhook_id(path)?;
    let repeat = asked(&headers, &caller, &format!("POST /v1/webhooks/{id}/resume"), &body.sent)?;
    let said = |webhook: &Webhook| {
        let webhook = WebhookBody::of(webhook);
        json_text(&WebhookChanged { message: "Webhook resumed successfully", webhook })
    };
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, said));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, Webhook>);
        Ok(json_bytes(said(&shared.app.resume_webhook(&caller, id, answering).await?).into()))
    };
    body.unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

/// Rotate a webhook's secret
///
/// The new secret is in this answer and in no other. For 24 hours every message carries two signatures, one by each
/// secret, so that the receiver can change over at any moment of them.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{publicId}/rotate",
    operation_id = "rotateWebhook",
    tag = "webhooks",
    security(("BearerAuth" = [])),
    params(WebhookPath),
    responses((status = 200, description = "OK", body = WebhookSecretShown))
)]
pub(crate) async fn rotate_webhook(
    State(shared): AppState,
    Manager(caller): Manager,
    path: OneId,
    Conditions(headers): Conditions,
    body: NoFields,
) -> ApiResult {
    let id = webhook_id(path)?;
    let repeat = asked(&headers, &caller, &format!("POST /v1/webhooks/{id}/rotate"), &body.sent)?;
    let said = |webhook: &Webhook| {
        let (message, webhook) = ("Webhook secret rotated successfully", WebhookWithSecret::of(webhook));
        json_text(&WebhookSecretShown { message, webhook })
    };
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, said));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, Webhook>);
        Ok(json_bytes(said(&shared.app.rotate_webhook(&caller, id, answering).await?).into()))
    };
    body.unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

fn webhook_id(path: OneId) -> Result<WebhookId, Vec<Issue>> {
    let id = path.ok().and_then(|Path(id)| WebhookId::parse(&id));
    id.ok_or_else(|| vec![Flaw::malformed("Invalid publicId format").at(["publicId"])])
}

fn told(word: &str) -> Option<Action> {
    Action::parse(word).filter(|action| Action::TOLD.contains(action))
}

/// The webhook that a body asks for, or everything that is wrong with it, in the order of the schema.
fn new_webhook([url, events, description]: &[Value<'_>; 3]) -> Result<NewWebhook, Vec<Issue>> {
    let words = options(Action::TOLD.map(Action::as_str));
    let mut check = Check::default();
    let url = check.required("url", url, WebhookUrl::parse);
    let events = check.choices("events", events, Action::TOLD.len(), &words, told);
    let description = check.optional("description", description, Description::parse);
    check.finish()?;
    let Some(url) = url else { unreachable!("a required field that is missing is an issue") };
    Ok(NewWebhook { url, description: description.unwrap_or_else(|| Description::from_stored("")), events })
}
