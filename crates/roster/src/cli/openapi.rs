//! `roster openapi`: the document the server serves at `/openapi.json`.

pub(super) fn run() -> anyhow::Result<()> {
    println!("{}", crate::http::openapi());
    Ok(())
}
