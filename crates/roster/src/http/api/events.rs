//! `/api/v1/events`: what happened, in its order, for those who poll.

use std::borrow::Cow;

use axum::extract::{RawQuery, State};
use roster_directory::{EventId, Flaw, Issue, audit::Action};
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
    params::{given, one, take, whole_number},
    role::words,
};

/// The most events, or deliveries, that one answer has.
pub(super) const MOST: u64 = 100;

/// How many it has unless something else is asked for.
pub(super) const USUAL: u32 = 25;

/// List events
///
/// The feed of what happened in your organization, oldest first. Send the `cursor` of an answer as `after` the next time:
/// no event is skipped and none comes twice, whoever writes meanwhile. Of users, you see the events of those whose role
/// you may read; of everything else, you see events only if you may manage webhooks. An event says what happened to what,
/// and nothing more of it.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    security(("BearerAuth" = [])),
    params(EventParams),
    responses((status = 200, description = "OK", body = EventList))
)]
pub(crate) async fn list_events(
    State(shared): AppState,
    Reader(caller): Reader,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let (after, limit) = asked(query.as_deref().unwrap_or_default())?;
    let page = shared.app.events(&caller, after, limit).await?;
    let data = page.events.iter().map(|(id, event)| EventBody::of(id, event)).collect();
    Ok(json(&EventList { data, cursor: page.last.or(after).map(|id| id.to_string()), has_more: page.is_full }))
}

fn asked(query: &str) -> Result<(Option<EventId>, u32), Vec<Issue>> {
    let [after, limit] = given(query, &["after", "limit"]);
    let mut issues = Vec::new();
    let mut asked = (None, USUAL);
    let id = one(|text| EventId::parse(text).ok_or(Flaw::malformed("Invalid after format")));
    take(&mut issues, "after", after, id, |id| asked.0 = Some(id));
    take(&mut issues, "limit", limit, |text| whole_number(text, MOST), |limit| asked.1 = limit as u32);
    if issues.is_empty() { Ok(asked) } else { Err(issues) }
}

/// Where in the feed to go on, and how far.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct EventParams {
    /// The `cursor` of the answer before; without it, from the first event
    #[param(pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    after: Option<String>,
    /// How many events to look at. Those you may not see are counted and left out
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: Option<u32>,
}

/// A piece of the feed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventList<'a> {
    /// Oldest first. Empty where there is nothing new, or nothing that you may see
    data: Vec<EventBody<'a>>,
    /// What to send as `after` the next time
    #[schema(required, pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    cursor: Option<String>,
    /// Whether there may be more already; otherwise ask again later
    has_more: bool,
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
    /// When it happened. Never earlier than the event before
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
            data: EventData { public_id: &event.target },
        }
    }
}

/// What an event is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventData<'a> {
    /// The public identifier of what it happened to
    public_id: &'a str,
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
        words(Action::ALL.map(Action::as_str)).description(Some(description)).into()
    }
}

impl ToSchema for EventType {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventType")
    }
}
