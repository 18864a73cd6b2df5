//! The ceiling of HTTP: Roster's own listener before a handler that parses a create's body into fields and writes them
//! back, and keeps nothing: what a create could cost at best if keeping it cost nothing.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Request, Response, header::CONTENT_TYPE};
use roster::{
    http::serve::{Limits, Stop, serve},
    telemetry::Metrics,
};
use serde::{Deserialize, Serialize};

/// A create's body, and what comes back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    first_name: String,
    last_name: String,
    email: String,
    role: String,
    phone_number: String,
    npi_number: String,
    #[serde(rename = "shouldSendSMS")]
    should_send_sms: bool,
    recertification_date: String,
}

/// How its answers begin.
pub(crate) const EXPECTED: &str = r#"{"firstName":""#;

/// Serves until it is killed; says on standard error where.
pub(crate) fn run() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        let second = Duration::from_secs(1);
        let limits = Limits {
            connections: 1_000,
            share: 100,
            proxies: Arc::default(),
            timeout: 30 * second,
            keep_alive: 30 * second,
            drain: second,
        };
        serve(listener, None, limits, Arc::new(Metrics::new()), Stop::new(), |_| true, |request, _| echo(request))
            .await;
        Ok(())
    })
}

async fn echo(request: Request<Body>) -> Response<Body> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    // What is no person comes back as nothing, and the generator takes that for the error it is.
    let person = serde_json::from_slice::<Person>(&body).and_then(|person| serde_json::to_vec(&person));
    let answer = Response::builder().header(CONTENT_TYPE, "application/json");
    answer.body(Body::from(person.unwrap_or_default())).expect("a response of fixed parts")
}
