//! `roster openapi`: the document the server serves at `/openapi.json`.

pub(super) fn run() -> anyhow::Result<()> {
    Ok(super::say(crate::http::openapi())?)
}
