//! A directory in process: the real router over a real database, a clock that stands still, ids that count up.

use std::{
    fmt,
    net::Ipv4Addr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::body::Body;
use clap::Parser;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE};
use roster::{
    app::{App, Caller, Clock, Ends, Ids, NewKey},
    config::{Deliveries, Server},
    http::Face,
    telemetry::Metrics,
};
use roster_directory::{KeyId, OrganizationId, Role};
use roster_store::{Location, Options, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::postgres;

/// 2025-01-15T10:30:00Z, the moment in the API's own example.
pub(crate) const NOW: i64 = 1_736_937_000_000;

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// The server under test.
pub(crate) struct Roster {
    face: Face,
    metrics: Arc<Metrics>,
    location: Location,
    dir: TempDir,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    deliveries: Deliveries,
}

impl Roster {
    /// An empty directory.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// An empty directory served with these flags of `roster serve`.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let location = match postgres::cluster() {
            Some(cluster) => postgres::new_database(&cluster).parse().expect("a URL"),
            None => Location::Sqlite(dir.path().join("roster.db")),
        };
        Self::of(location, dir, flags, 0, NOW)
    }

    /// The directory in this database of PostgreSQL. Its ids count up from 1, so it must be the only one there.
    pub(crate) fn at(url: &str) -> Self {
        Self::of(url.parse().expect("a URL"), tempfile::tempdir().expect("a temporary folder"), &[], 0, NOW)
    }

    /// One more process, as it were, on the same database: its ids count up from so high that they are others.
    pub(crate) fn beside(url: &str) -> Self {
        Self::of(url.parse().expect("a URL"), tempfile::tempdir().expect("a temporary folder"), &[], 1 << 30, NOW)
    }

    /// One more process, as it were, on the same database. Its ids are others.
    pub(crate) fn again(&self) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(1);
        let ids_after = u64::from(STARTED.fetch_add(1, Ordering::Relaxed)) << 25;
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self::of(self.location.clone(), dir, &[], ids_after, NOW)
    }

    fn of(location: Location, dir: TempDir, flags: &[&str], ids_after: u64, now: i64) -> Self {
        // What PostgreSQL's driver starts must outlive this function, and may be waited for only outside of a runtime.
        let open = || RUNTIME.block_on(Store::open(&location, &Options::default()));
        let opened = std::thread::scope(|scope| scope.spawn(open).join().expect("no panic"));
        let store = opened.expect("a database");
        let Flags { server, deliveries } = Flags::parse_from(["roster"].iter().chain(flags));
        let app = Arc::new(App::new(store, Clock::at(now), Ids::Counted(ids_after.into())));
        let metrics = Arc::new(Metrics::new());
        let face = Face::new(app, &server, &deliveries, metrics.clone()).expect("a face");
        Self { face, metrics, location, dir }
    }

    /// Stops, and starts again on the same database at this moment. Its ids are others.
    pub(crate) async fn restarted_at(self, now: i64) -> Self {
        self.app().store().close().await;
        let Self { face, location, dir, .. } = self;
        drop(face);
        Self::of(location, dir, &[], 1 << 24, now)
    }

    pub(crate) fn app(&self) -> &App {
        self.face.app()
    }

    /// What was counted, as Prometheus reads it.
    pub(crate) fn metrics(&self) -> String {
        self.metrics.open_metrics()
    }

    /// Lets time pass until then, or back.
    pub(crate) fn set_clock(&self, millis: i64) {
        self.app().clock().set(millis);
    }

    /// Sets the wall clock, while no time passes.
    pub(crate) fn step_clock(&self, millis: i64) {
        self.app().clock().step(millis);
    }

    /// Makes an organization.
    pub(crate) async fn organization(&self, name: &str) -> Organization<'_> {
        let name = name.parse().expect("a name");
        let operator = self.app().create_organization(name).await.expect("an organization");
        Organization { roster: self, operator, keys: AtomicU32::new(0) }
    }

    /// Somebody with an ADMIN key of an organization called "Example Organization".
    pub(crate) async fn admin(&self) -> Client<'_> {
        self.organization("Example Organization").await.key(Role::Admin).await
    }

    /// Somebody without a key.
    pub(crate) fn stranger(&self) -> Client<'_> {
        Client { roster: self, authorization: None, key: None, organization: None }
    }

    /// Sends any request at all, each from another address: one that sends wrong keys is told 429 some day.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        static SENT: AtomicU32 = AtomicU32::new(0);
        let from = Ipv4Addr::from_bits(SENT.fetch_add(1, Ordering::Relaxed));
        let response = self.face.answer(request, from.into()).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body in memory").to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, body, text }
    }
}

/// An organization, and the operator's hand on it.
pub(crate) struct Organization<'a> {
    roster: &'a Roster,
    pub(crate) operator: Caller,
    /// Keys that were made for it.
    keys: AtomicU32,
}

impl<'a> Organization<'a> {
    pub(crate) fn id(&self) -> OrganizationId {
        self.operator.organization()
    }

    /// Somebody with a new key of this role.
    pub(crate) async fn key(&self, role: Role) -> Client<'a> {
        self.key_for(role, None).await
    }

    /// Somebody with a new key that ends after so many milliseconds.
    pub(crate) async fn key_for(&self, role: Role, lifetime: Option<i64>) -> Client<'a> {
        // No two live ones have one name.
        let name = match self.keys.fetch_add(1, Ordering::Relaxed) {
            0 => "test".parse().expect("a name"),
            nth => format!("test {nth}").parse().expect("a name"),
        };
        let ends = lifetime.map_or(Ends::Never, Ends::After);
        self.key_like(NewKey { ends, ..NewKey::lasting(role, name) }).await
    }

    /// Somebody with this new key.
    pub(crate) async fn key_like(&self, new: NewKey) -> Client<'a> {
        let (key, token) = self.roster.app().create_key(&self.operator, new, None).await.expect("a key");
        Client {
            roster: self.roster,
            authorization: Some(format!("Bearer {}", token.reveal())),
            key: Some(key.id),
            organization: Some(self.id()),
        }
    }

    /// Adds a payor and returns its id.
    pub(crate) async fn payor(&self, name: &str) -> String {
        let name = name.parse().expect("a name");
        self.roster.app().create_payor(&self.operator, name).await.expect("a payor").id.to_string()
    }

    /// Creates a user as the command line does: also with roles that no key can assign. Returns its publicId.
    pub(crate) async fn user(&self, first: &str, last: &str, role: Role) -> String {
        let (first, last) = (first.parse().expect("a name"), last.parse().expect("a name"));
        let new = roster_directory::NewUser { role, ..roster_directory::NewUser::named(first, last) };
        self.roster.app().create_user(&self.operator, new, None).await.expect("a user").user.id.to_string()
    }
}

/// Somebody who sends requests.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    roster: &'a Roster,
    authorization: Option<String>,
    key: Option<KeyId>,
    organization: Option<OrganizationId>,
}

impl<'a> Client<'a> {
    /// The same, at another process.
    pub(crate) fn at<'b>(&self, roster: &'b Roster) -> Client<'b> {
        let Client { authorization, key, organization, .. } = self.clone();
        Client { roster, authorization, key, organization }
    }

    /// The same, with this Authorization header.
    pub(crate) fn authorized_by(&self, header: &str) -> Client<'a> {
        Client { authorization: Some(header.to_owned()), ..self.clone() }
    }

    /// The id of the key.
    pub(crate) fn key_id(&self) -> KeyId {
        self.key.expect("a client with a key")
    }

    /// The organization the key opens.
    pub(crate) fn organization_id(&self) -> OrganizationId {
        self.organization.expect("a client with a key")
    }

    /// The Authorization header.
    pub(crate) fn authorization(&self) -> &str {
        self.authorization.as_deref().expect("a client with a key")
    }

    /// A request with the client's key, to be finished by hand.
    pub(crate) fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        let builder = Request::builder().method(method).uri(path);
        match &self.authorization {
            Some(header) => builder.header("authorization", header),
            None => builder,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.roster.send(self.request("GET", path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_bytes(path, body.to_string()).await
    }

    pub(crate) async fn post_bytes(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = self.request("POST", path).header(CONTENT_TYPE, "application/json").body(body.into());
        self.roster.send(request.expect("a request")).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        let request = self.request("PATCH", path).header(CONTENT_TYPE, "application/merge-patch+json");
        self.roster.send(request.body(body.to_string().into()).expect("a request")).await
    }

    /// A request with these headers, and this body if there is one.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| body.to_string().into());
        self.roster.send(request.body(body).expect("a request")).await
    }

    /// A POST that says nothing more.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        self.roster.send(self.request("POST", path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.roster.send(self.request("DELETE", path).body(Body::empty()).expect("a request")).await
    }

    /// Creates a webhook and returns its publicId.
    pub(crate) async fn webhook(&self, url: &str) -> String {
        let answer = self.post("/api/v1/webhooks", serde_json::json!({ "url": url })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        answer.body["webhook"]["publicId"].as_str().expect("a publicId").to_owned()
    }

    /// Creates a user and returns its publicId.
    pub(crate) async fn create(&self, body: Value) -> String {
        let answer = self.post("/api/v1/users", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        answer.body["user"]["publicId"].as_str().expect("a publicId").to_owned()
    }
}

/// An answer. Displays as its status and its body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The body as it came: of an object, also the order of its members.
    pub(crate) text: String,
}

impl Answer {
    /// A header, or "" if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = serde_json::to_string_pretty(&self.body).map_err(|_| fmt::Error)?;
        write!(f, "{}\n{body}", self.status.as_u16())
    }
}
