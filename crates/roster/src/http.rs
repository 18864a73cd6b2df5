//! The HTTP door: everything a request meets between the socket and the app.

mod api;
mod auth;
mod client_address;
mod docs;
mod health;
mod route;
pub mod serve;
mod sms;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    header::{HeaderName, HeaderValue, REFERRER_POLICY},
};
use roster_directory::audit::RequestId;
use tower::Service;

use crate::{
    app::App,
    config::{Deliveries, Inbound, Server},
    deliver::address::Inside,
    telemetry::{Metrics, Route},
};

pub use api::openapi;
pub(crate) use api::{
    AuditBody, MAX_BYTES, Value,
    users::{FIELDS, WholeUserBody, cells, line},
    warning::Unknown,
};
use route::beside;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) limiter: auth::Limiter,
    pub(crate) wrong_keys: auth::WrongKeys,
    pub(crate) answers: api::users::Answers,
    pub(crate) read_timeout: std::time::Duration,
    pub(crate) draining: AtomicBool,
    /// How what comes from the gateway for text messages is known to come from it; without it nothing is taken.
    pub(crate) inbound: Option<Inbound>,
    /// Networks that webhooks may reach although they are inside.
    pub(crate) inside: Inside,
    /// How old the oldest message that is owed may be before it is mentioned.
    pub(crate) outbox_warn: std::time::Duration,
    pub(crate) metrics: Arc<Metrics>,
}

/// Which request this is, and who sent it: the client, or a proxy.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) id: RequestId,
    pub(crate) peer: IpAddr,
}

pub(crate) type AppState = axum::extract::State<Arc<Shared>>;

/// The whole HTTP surface, as one service of a request. Cheap to clone.
#[derive(Clone)]
pub struct Face {
    router: Router,
    shared: Arc<Shared>,
}

impl Face {
    /// The surface over this app.
    pub fn new(app: Arc<App>, config: &Server, deliveries: &Deliveries, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            app,
            limiter: auth::limiter(config.rate_limit),
            wrong_keys: auth::WrongKeys::new(&config.trusted_proxy),
            answers: api::users::answers(config.answer_cache),
            read_timeout: config.read_timeout,
            draining: AtomicBool::new(false),
            inbound: deliveries.inbound(),
            inside: deliveries.webhook_inside.clone(),
            outbox_warn: deliveries.outbox_warn,
            metrics,
        });
        let answering = Arc::downgrade(&shared);
        shared.app.store().on_altered(move |altered| {
            if let Some(shared) = answering.upgrade() {
                api::users::forget(&shared.answers, altered);
            }
        });
        let router = Router::new()
            .nest("/api/v1", api::routes())
            .route("/sms/inbound", post(beside(Route::SmsInbound, sms::inbound)))
            .route("/sms/status", post(beside(Route::SmsStatus, sms::status)))
            .route("/openapi.json", get(beside(Route::Document, docs::openapi)))
            .route("/", get(beside(Route::Document, docs::redirect)))
            .route("/docs", get(beside(Route::Document, docs::redirect)))
            .route("/docs/", get(beside(Route::Document, docs::page)))
            .route("/docs/{file}", get(beside(Route::Document, docs::asset)))
            .route("/healthz", get(beside(Route::Health, health::live)))
            .route("/readyz", get(beside(Route::Health, health::ready)))
            .fallback(beside(Route::Other, api::error::not_found))
            .method_not_allowed_fallback(beside(Route::Other, api::error::wrong_method))
            .with_state(shared.clone());
        Ok(Self { router, shared })
    }

    /// The app behind it.
    pub fn app(&self) -> &Arc<App> {
        &self.shared.app
    }

    /// Makes `/readyz` say that the server is stopping.
    pub fn start_draining(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Answers one request. Every answer carries the request's id.
    pub async fn answer(&self, mut request: Request<Body>, peer: IpAddr) -> Response<Body> {
        let id = request_id(request.headers()).unwrap_or_else(|| self.shared.app.ids().request());
        request.extensions_mut().insert(Arrival { id, peer });
        let mut router = self.router.clone();
        let mut response = match router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        // Addresses name people; no other site is told them.
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

fn request_id(headers: &HeaderMap) -> Option<RequestId> {
    RequestId::parse(headers.get(X_REQUEST_ID)?.to_str().ok()?)
}

/// The answer of a request that could not be read: a status and its JSON.
pub(crate) fn plain_json(status: StatusCode, body: &'static [u8]) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    json_headers(response.headers_mut());
    response
}

/// What every JSON answer says about itself: it is JSON, nobody may sniff another type, and nobody may keep it.
pub(crate) fn json_headers(headers: &mut HeaderMap) {
    use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
