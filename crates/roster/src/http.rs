//! The HTTP door: everything a request meets between the socket and the app.

mod api;
mod auth;
mod docs;
mod health;
pub mod serve;
mod sms;

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    Router,
    body::Body,
    routing::{get, post},
};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{HeaderName, HeaderValue},
};
use roster_directory::audit::RequestId;
use tower::Service;

use crate::{
    app::App,
    config::{Deliveries, Inbound, Server},
    telemetry::{Metrics, Route},
};

pub use api::openapi;
pub(crate) use api::{MAX_BYTES, users::new_user};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) app: Arc<App>,
    pub(crate) limiter: auth::Limiter,
    pub(crate) answers: api::users::Answers,
    pub(crate) read_timeout: std::time::Duration,
    pub(crate) draining: AtomicBool,
    /// How what comes from the gateway for text messages is known to come from it; without it nothing is taken.
    pub(crate) inbound: Option<Inbound>,
    /// How old the oldest message that is owed may be before it is mentioned.
    pub(crate) outbox_warn: std::time::Duration,
}

pub(crate) type AppState = axum::extract::State<Arc<Shared>>;

/// The whole HTTP surface, as one service of a request. Cheap to clone.
#[derive(Clone)]
pub struct Face {
    router: Router,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
}

impl Face {
    /// The surface over this app.
    pub fn new(app: Arc<App>, config: &Server, deliveries: &Deliveries, metrics: Arc<Metrics>) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            app,
            limiter: auth::limiter(config.rate_limit),
            answers: api::users::answers(config.answer_cache),
            read_timeout: config.read_timeout,
            draining: AtomicBool::new(false),
            inbound: deliveries.inbound()?,
            outbox_warn: deliveries.outbox_warn,
        });
        let router = Router::new()
            .nest("/api/v1", api::routes())
            .route("/sms/inbound", post(sms::inbound))
            .route("/openapi.json", get(docs::openapi))
            .route("/docs", get(docs::redirect))
            .route("/docs/", get(docs::page))
            .route("/docs/{file}", get(docs::asset))
            .route("/healthz", get(health::live))
            .route("/readyz", get(health::ready))
            .fallback(api::error::not_found)
            .method_not_allowed_fallback(api::error::wrong_method)
            .with_state(shared.clone());
        Ok(Self { router, shared, metrics })
    }

    /// The app behind it.
    pub fn app(&self) -> &Arc<App> {
        &self.shared.app
    }

    /// Makes `/readyz` say that the server is stopping.
    pub fn start_draining(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Answers one request: every answer carries the request's id, is counted, and a panic is a 500.
    pub async fn answer(&self, mut request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let route = route_of(request.method(), request.uri().path());
        let id = request_id(request.headers()).unwrap_or_else(|| self.shared.app.ids().request());
        request.extensions_mut().insert(id);

        let mut router = self.router.clone();
        let answered = CatchPanic(router.call(request)).await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(Panicked) => {
                tracing::error!(request.id = id.as_str(), "a handler panicked on request {}", id.as_str());
                api::error::unexpected()
            }
        };
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }

        let took = started.elapsed();
        self.metrics.answered(route, response.status().as_u16(), took);
        tracing::debug!(
            request.id = id.as_str(),
            route = ?route,
            status = response.status().as_u16(),
            microseconds = took.as_micros() as u64,
            "answered request {}",
            id.as_str()
        );
        response
    }
}

fn request_id(headers: &HeaderMap) -> Option<RequestId> {
    RequestId::parse(headers.get(X_REQUEST_ID)?.to_str().ok()?)
}

fn route_of(method: &Method, path: &str) -> Route {
    match path.strip_prefix("/api/v1/users") {
        Some("") if method == Method::POST => Route::CreateUser,
        Some("") => Route::ListUsers,
        Some(rest) if rest.starts_with('/') => Route::GetUser,
        _ => match path {
            "/api/v1/me" => Route::Me,
            "/healthz" | "/readyz" => Route::Health,
            "/openapi.json" => Route::Document,
            path if path.starts_with("/docs") => Route::Document,
            _ => Route::Other,
        },
    }
}

struct Panicked;

/// Turns a panic while polling into a value; the panic hook has already reported where it was.
struct CatchPanic<F>(F);

impl<F> Future for CatchPanic<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Result<Response<Body>, Infallible>, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = Pin::new(&mut self.0);
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
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
