//! The document of the API, and a page to read it: everything from inside the binary.

use std::sync::{Arc, LazyLock};

use axum::{body::Body, extract::Path};
use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS},
};
use utoipa_swagger_ui::{Config, SwaggerFile};

use super::api;

const PAGE: &str = "index.html";

/// `GET /openapi.json`
pub(crate) async fn openapi() -> Response<Body> {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| api::openapi().into());
    answer("application/json", Body::from(DOCUMENT.clone()))
}

/// `GET /` and `GET /docs`: the page's own files are named relative to it, so it needs the slash.
///
/// Every reference here is relative: a proxy may serve all of this below a path of its own.
pub(crate) async fn redirect() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("docs/"));
    response
}

/// `GET /docs/`
pub(crate) async fn page() -> Response<Body> {
    file(PAGE)
}

/// `GET /docs/{file}`
pub(crate) async fn asset(Path(name): Path<String>) -> Response<Body> {
    file(&name)
}

fn file(name: &str) -> Response<Body> {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
        Arc::new(
            Config::from("../openapi.json")
                .try_it_out_enabled(true)
                .persist_authorization(false)
                // Otherwise the page asks a public server to judge the document, unless it is on `localhost`.
                .validator_url("none"),
        )
    });
    match utoipa_swagger_ui::serve(name, CONFIG.clone()) {
        Ok(Some(SwaggerFile { bytes, content_type, .. })) if name == PAGE => {
            // What a browser's tab and its bookmarks show.
            let page =
                String::from_utf8_lossy(&bytes).replace("<title>Swagger UI</title>", "<title>Roster API</title>");
            answer(&content_type, Body::from(page))
        }
        Ok(Some(SwaggerFile { bytes, content_type, .. })) => answer(&content_type, Body::from(bytes.into_owned())),
        _ => api::error::not_found_now(),
    }
}

fn answer(content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        // Swagger UI writes style attributes, and shows icons from data: addresses.
        HeaderValue::from_static(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    response
}
