//! The ceiling of HTTP: a server that parses a create's body into fields and writes them back, and keeps nothing.
//!
//! It is the bare framework, as anybody would use it, on the same runtime and allocator as Roster: what a create could
//! cost at best if storing it cost nothing.

use axum::{
    Json, Router,
    routing::{get, post},
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
pub(crate) fn serve() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let router = Router::new()
            .route("/", get(|| async { "ready" }))
            .route("/api/v1/users", post(|Json(person): Json<Person>| async { Json(person) }));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        Ok(axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), router)
            .await?)
    })
}
