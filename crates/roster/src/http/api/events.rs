//! `/api/v1/events`: what happened, in its order, for those who poll.

use std::borrow::Cow;

use axum::extract::{RawQuery, State};
use roster_directory::{EventId, audit::Action};
use roster_store::outbox::Event;
use serde::{Serialize, Serializer};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    super::{AppState, auth::Reader},
    error::ApiResult,
    json,
    params::{PIECE, Piece, given, link_next},
    role::words,
};

/// List events
///
/// The feed of what happened in your organization, oldest first. Keep the `publicId` of the last event you have seen, and
/// send it as `cursor` the next time: no event is skipped and none comes twice, whoever writes meanwhile. The order is the one in
/// which events became known: `createdAt` may be a little before that of the event before. Where the answer
/// has a `Link` with `rel="next"`, more is there already. Of users, you see the events of those whose role you may read;
/// of everything else, you see events only if you may manage webhooks. An event says what happened to what, and nothing
/// more of it.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    security(("BearerAuth" = [])),
    params(EventParams),
    responses((
        status = 200, description = "OK", body = EventList, headers((
            "Link" = String,
            description = "With `rel=\"next\"` the address of the next events (RFC 8288), where there are more. Follow it \
                           even where `data` is empty: what you may not see is passed over"
        ))
    ))
)]
pub(crate) async fn list_events(
    State(shared): AppState,
    Reader(caller): Reader,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let query = query.as_deref().unwrap_or_default();
    let mut issues = Vec::new();
    let Piece { size, after } = Piece::of(given(query, &PIECE), &mut issues, EventId::parse);
    if !issues.is_empty() {
        return Err(issues.into());
    }
    let page = shared.app.events(&caller, after, size).await?;
    let data = page.events.iter().map(|(id, event)| EventBody::of(id, event)).collect();
    let mut response = json(&EventList { data });
    if let Some(last) = page.goes_on_after {
        link_next(response.headers_mut(), query, None, last.as_str());
    }
    Ok(response)
}

/// Where in the feed to go on, and how far.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct EventParams {
    /// How many events to look at. Those you may not see are counted and left out
    #[param(minimum = 1, maximum = 100, default = 25)]
    page_size: Option<u32>,
    /// The `publicId` of the last event seen, or what the `Link` of the answer before says; without it, from the first
    /// event
    #[param(pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    cursor: Option<String>,
}

/// A piece of the feed.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventList<'a> {
    /// Oldest first. Empty where there is nothing new, or nothing that you may see
    data: Vec<EventBody<'a>>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub(crate) struct EventBody<'a> {
    /// Event public identifier; also the `webhook-id` of the messages that tell of it
    #[schema(pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    public_id: &'a str,
    r#type: EventType,
    /// When it happened. It may be a little before that of the event before
    #[schema(format = DateTime)]
    created_at: String,
    data: EventData<'a>,
}

impl<'a> EventBody<'a> {
    fn of(id: &'a EventId, event: &'a Event) -> Self {
        Self {
            public_id: id.as_str(),
            r#type: EventType(event.action),
            created_at: event.at.to_string(),
            data: EventData { public_id: &event.target, fields: event.changed() },
        }
    }
}

/// What an event is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventData<'a> {
    /// The public identifier of what it happened to
    public_id: &'a str,
    /// Of `user.updated`, the names of the fields that changed. Other events have none
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fields: Option<Vec<&'a str>>,
}

/// What happened.
#[derive(Clone, Copy)]
pub(crate) struct EventType(pub(crate) Action);

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl PartialSchema for EventType {
    fn schema() -> RefOr<Schema> {
        let description = "What happened. Later versions add types: pass over those you do not know.";
        words(Action::TOLD.map(Action::as_str)).description(Some(description)).into()
    }
}

impl ToSchema for EventType {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventType")
    }
}
