//! `/api/v1/events`: what happened in an organization, in an order that whoever reads it can go on from.

use std::borrow::Cow;

use axum::extract::{RawQuery, State};
use roster_directory::{EventId, Flaw, Issue, audit::Action};
use serde::{Serialize, Serializer};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use super::{
    super::{AppState, auth::Reader},
    error::ApiResult,
    json,
    query::{given, one, take, whole_number},
};

/// Events of a page at most.
const MOST: u64 = 100;

/// Get what happened after an event
///
/// Ask again with `after` set to the `cursor` of the answer: so no event is skipped and none comes twice, however many
/// happen meanwhile. A page may be shorter than `limit`, and even empty, although there is more: events that the key may
/// not see are left out of it. Of users it sees those of the roles it may read; of everything else, only ADMIN and
/// HIPP_ADMIN do.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "listEvents",
    tag = "events",
    security(("BearerAuth" = [])),
    params(EventParams),
    responses((status = 200, description = "OK", body = EventPage))
)]
pub(crate) async fn list_events(
    State(shared): AppState,
    Reader(caller): Reader,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let (after, limit) = asked(query.as_deref().unwrap_or_default())?;
    let page = shared.app.events(&caller, after, limit).await?;
    let events = page.events.iter().map(|(id, event)| EventBody {
        public_id: id.as_str(),
        r#type: EventType(event.action),
        created_at: event.at.to_string(),
        data: EventData { public_id: &event.target },
    });
    let cursor = page.last.or(after);
    Ok(json(&EventPage {
        data: events.collect(),
        cursor: cursor.as_ref().map(EventId::as_str),
        has_more: page.is_full,
    }))
}

fn asked(query: &str) -> Result<(Option<EventId>, u32), Vec<Issue>> {
    let [after, limit] = given(query, &["after", "limit"]);
    let (mut issues, mut asked) = (Vec::new(), (None, 25));
    let event = one(|text| EventId::parse(text).ok_or(Flaw::malformed("Invalid after format")));
    take(&mut issues, "after", after, event, |id| asked.0 = Some(id));
    take(&mut issues, "limit", limit, |text| whole_number(text, MOST), |limit| asked.1 = limit as u32);
    if issues.is_empty() { Ok(asked) } else { Err(issues) }
}

/// Where to go on, and how far.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct EventParams {
    /// The `cursor` of the answer before; without it, from the first event
    #[param(nullable = false, pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    after: Option<String>,
    /// Events to look at, at most
    #[param(nullable = false, minimum = 1, maximum = 100, default = 25)]
    limit: Option<u32>,
}

/// Some events, and where to go on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventPage<'a> {
    data: Vec<EventBody<'a>>,
    /// What to send as `after` next time; null as long as nothing has happened
    #[schema(required, pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    cursor: Option<&'a str>,
    /// Whether there may be more already
    has_more: bool,
}

/// One event. Ids only: who wants to know more asks for what it is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventBody<'a> {
    /// Event public identifier
    #[schema(pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    public_id: &'a str,
    r#type: EventType,
    #[schema(format = DateTime)]
    created_at: String,
    data: EventData<'a>,
}

/// What an event is about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventData<'a> {
    /// The public identifier of the user, payor, key, webhook, message or organization it happened to
    public_id: &'a str,
}

/// A type of event on the wire.
#[derive(Clone, Copy)]
pub(crate) struct EventType(pub(crate) Action);

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl PartialSchema for EventType {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .enum_values(Some(Action::ALL.map(Action::as_str)))
            .description(Some("What happened. Later versions may add types: pass over those you do not know."))
            .into()
    }
}

impl ToSchema for EventType {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventType")
    }
}
