//! `/api/v1/audit`: who did what, for those who must show it.

use std::{borrow::Cow, collections::HashMap};

use axum::extract::{RawQuery, State};
use roster_directory::{Flaw, Issue, Timestamp, audit::Action, credential::RecertificationDate};
use roster_store::trail::{EntryId, TrailEntry, TrailFilter};
use serde::{Serialize, Serializer};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    super::{AppState, auth::Auditor},
    error::ApiResult,
    json,
    params::{CURSOR, PAGE_SIZE, Piece, given, link_next, options, take},
    role::{UserRole, words},
};

pub(crate) const PARAMETERS: [&str; 7] = ["actor", "action", "target", "from", "to", PAGE_SIZE, CURSOR];

/// Read the audit trail
///
/// Who did what in your organization, the newest first: an entry for every change, with the names of what was set, and no
/// value but a user's role. For keys of role ADMIN and HIPP_ADMIN. Each answer is in the trail itself, as `audit.read`.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "readAudit",
    tag = "audit",
    security(("BearerAuth" = [])),
    params(AuditParams),
    responses((
        status = 200, description = "OK", body = AuditList, headers((
            "Link" = String,
            description = "With `rel=\"next\"` the address of the older ones (RFC 8288), where there are some"
        ))
    ))
)]
pub(crate) async fn read_audit(
    State(shared): AppState,
    Auditor(caller): Auditor,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let query = query.as_deref().unwrap_or_default();
    let (filter, size) = asked(query)?;
    // One more than was asked for tells whether there are more.
    let mut entries = shared.app.read_trail(&caller, filter, size + 1).await?;
    let goes_on = entries.len() > size as usize;
    entries.truncate(size as usize);
    let names = shared.app.key_names(&caller).await?;
    let mut response = json(&AuditList { data: entries.iter().map(|entry| AuditBody::of(entry, &names)).collect() });
    if let Some(last) = entries.last().filter(|_| goes_on) {
        link_next(response.headers_mut(), query, None, &last.id.to_string());
    }
    Ok(response)
}

fn asked(query: &str) -> Result<(TrailFilter, u32), Vec<Issue>> {
    let [actor, action, target, from, to, page_size, cursor] = given(query, &PARAMETERS);
    let mut issues = Vec::new();
    let mut filter = TrailFilter::default();
    take(&mut issues, "actor", actor, actor_of, |actor| filter.actor = Some(actor));
    let words = || options(Action::ALL.map(Action::as_str));
    let action_of = |text: &str| Action::parse(text).ok_or_else(|| Flaw::not_one_of(&words(), text));
    take(&mut issues, "action", action, action_of, |action| filter.action = Some(action));
    take(&mut issues, "target", target, target_of, |target| filter.target = Some(target));
    take(&mut issues, "from", from, moment_of, |moment| filter.from = Some(moment));
    take(&mut issues, "to", to, moment_of, |moment| filter.to = Some(moment));
    let Piece { size, after } = Piece::of([page_size, cursor], &mut issues, EntryId::parse);
    filter.after = after;
    if issues.is_empty() { Ok((filter, size)) } else { Err(issues) }
}

fn moment_of(text: &str) -> Result<Timestamp, Flaw> {
    Ok(RecertificationDate::parse(text)?.at())
}

fn actor_of(text: &str) -> Result<String, Flaw> {
    let is_one = ["cli", "roster"].contains(&text) || roster_directory::KeyId::parse(text).is_some();
    if is_one { Ok(text.to_owned()) } else { Err(Flaw::malformed("Invalid actor: a key's id, cli or roster")) }
}

/// A public id of any kind: three letters, and what keeps it apart.
fn target_of(text: &str) -> Result<String, Flaw> {
    let is_one = text.len() <= 40
        && text.split_once('_').is_some_and(|(kind, rest)| {
            kind.len() == 3
                && kind.bytes().all(|b| b.is_ascii_lowercase())
                && !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
    if is_one { Ok(text.to_owned()) } else { Err(Flaw::malformed("Invalid target: a public id")) }
}

/// Which entries, and how many.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct AuditParams {
    /// Who acted: a key's public identifier, `cli` or `roster`
    #[param(pattern = "^(key_[a-z0-9]{12}|cli|roster)$")]
    actor: Option<String>,
    /// What was done
    #[param(inline)]
    action: Option<AuditAction>,
    /// To what it was done: a public identifier
    #[param(pattern = "^[a-z]{3}_[a-z0-9_]{1,36}$")]
    target: Option<String>,
    /// From this moment on, RFC 3339
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this moment, RFC 3339
    #[param(format = DateTime)]
    to: Option<String>,
    /// How many entries to show
    #[param(minimum = 1, maximum = 100, default = 25)]
    page_size: Option<u32>,
    /// The `publicId` of the last entry seen
    #[param(pattern = "^aud_[0-7][0-9a-f]{15}[0-7][0-9a-f]{7}$")]
    cursor: Option<String>,
}

/// Some of the trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditList<'a> {
    /// The newest first
    data: Vec<AuditBody<'a>>,
}

/// An entry of the audit trail.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(crate) struct AuditBody<'a> {
    /// Entry public identifier
    #[schema(pattern = "^aud_[0-7][0-9a-f]{15}[0-7][0-9a-f]{7}$")]
    public_id: String,
    #[schema(format = DateTime)]
    created_at: String,
    actor: AuditActor<'a>,
    #[schema(inline)]
    action: &'a str,
    /// The public identifier of what it was done to
    target: &'a str,
    /// The names of what was set or changed
    fields: Vec<&'a str>,
    /// The role that the user had
    #[schema(required)]
    role_before: Option<UserRole>,
    /// The role that the user has since
    #[schema(required)]
    role_after: Option<UserRole>,
    /// The `X-Request-Id` of the request
    request_id: &'a str,
}

/// Who acted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditActor<'a> {
    /// A key's public identifier, `cli` for the command line, or `roster` for what Roster does by its own rules
    public_id: &'a str,
    /// What the key is called; null for the others
    #[schema(required)]
    name: Option<&'a str>,
}

impl<'a> AuditBody<'a> {
    /// With the names of the organization's keys, by their ids.
    pub(crate) fn of(entry: &'a TrailEntry, names: &'a HashMap<String, String>) -> Self {
        let TrailEntry { id, entry, roles } = entry;
        Self {
            public_id: id.to_string(),
            created_at: entry.at.to_string(),
            actor: AuditActor { public_id: &entry.actor, name: names.get(&entry.actor).map(String::as_str) },
            action: &entry.action,
            target: &entry.target,
            fields: entry.fields.split(',').filter(|name| !name.is_empty()).collect(),
            role_before: roles.before.map(UserRole),
            role_after: roles.after.map(UserRole),
            request_id: &entry.request,
        }
    }
}

/// What was done.
#[derive(Clone, Copy)]
pub(crate) struct AuditAction(Action);

impl Serialize for AuditAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl PartialSchema for AuditAction {
    fn schema() -> RefOr<Schema> {
        let description = "What was done. Later versions add actions: pass over those you do not know.";
        words(Action::ALL.map(Action::as_str)).description(Some(description)).into()
    }
}

impl ToSchema for AuditAction {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("AuditAction")
    }
}
