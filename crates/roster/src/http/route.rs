//! What surrounds every handler: it is counted under its route's name, a panic in it is a 500, and the query parameters
//! that the route does not take are named.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{body::Body, handler::Handler};
use hyper::{Request, Response};
use roster_directory::audit::RequestId;

use super::{
    Arrival, Shared,
    api::{self, warning::Unknown},
};
use crate::telemetry::Route;

/// A handler of the API, which takes no query parameters unless it [says so](Routed::taking).
pub(crate) fn route<H>(route: Route, handler: H) -> Routed<H> {
    Routed { route, handler, takes: Some(&[]) }
}

/// A handler beside the API, whose callers nobody warns.
pub(crate) fn beside<H>(route: Route, handler: H) -> Routed<H> {
    Routed { route, handler, takes: None }
}

/// A handler, and what it is called in metrics.
#[derive(Clone)]
pub(crate) struct Routed<H> {
    route: Route,
    handler: H,
    takes: Option<&'static [&'static str]>,
}

impl<H> Routed<H> {
    /// The query parameters it takes.
    pub(crate) fn taking(self, parameters: &'static [&'static str]) -> Self {
        Self { takes: Some(parameters), ..self }
    }
}

impl<H, T> Handler<T, Arc<Shared>> for Routed<H>
where
    H: Handler<T, Arc<Shared>>,
    H::Future: Unpin,
{
    type Future = Answering<H::Future>;

    fn call(self, request: Request<Body>, shared: Arc<Shared>) -> Self::Future {
        let started = Instant::now();
        let id = request.extensions().get::<Arrival>().map(|arrival| arrival.id);
        let unknown = match self.takes {
            Some(known) => api::unknown_parameters(request.uri().query(), known),
            None => Unknown::default(),
        };
        let future = self.handler.call(request, shared.clone());
        Answering { future, shared, route: self.route, started, id, unknown }
    }
}

/// The answer under way.
pub(crate) struct Answering<F> {
    future: F,
    shared: Arc<Shared>,
    route: Route,
    started: Instant,
    id: Option<RequestId>,
    unknown: Unknown,
}

impl<F> Answering<F> {
    fn id(&self) -> &str {
        self.id.as_ref().map_or("", RequestId::as_str)
    }
}

impl<F: Future<Output = Response<Body>> + Unpin> Future for Answering<F> {
    type Output = Response<Body>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let future = Pin::new(&mut this.future);
        let mut response = match std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(response)) => response,
            Err(_) => {
                let id = this.id();
                // The panic hook has already reported where it was.
                tracing::error!(request.id = id, "a handler panicked on request {id}");
                api::error::unexpected()
            }
        };
        if !this.unknown.is_empty() {
            this.unknown.warn(response.headers_mut(), "parameter");
        }
        let took = this.started.elapsed();
        this.shared.metrics.answered(this.route, response.status().as_u16(), took);
        tracing::debug!(
            request.id = this.id(),
            route = ?this.route,
            status = response.status().as_u16(),
            microseconds = took.as_micros() as u64,
            "answered request {}",
            this.id()
        );
        Poll::Ready(response)
    }
}
