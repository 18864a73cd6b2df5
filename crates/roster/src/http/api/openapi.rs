//! The OpenAPI document, made from the handlers: what they say of themselves, and what every operation has in common.

use roster_directory::repeat::RepeatKey;
use utoipa::{
    OpenApi,
    openapi::{
        ArrayBuilder, ContactBuilder, Content, HeaderBuilder, HttpMethod, Info, InfoBuilder, LicenseBuilder,
        ObjectBuilder, PathItem, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Server, ServerBuilder,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{SchemaType, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{
    audit, events, keys, me, organization, role::UserRole, users, users::shape::View, webhooks, webhooks::deliveries,
};

#[derive(OpenApi)]
#[openapi(
    paths(
        users::create_user,
        users::list_users,
        users::export::export_users,
        users::get_user,
        users::change::update_user,
        users::change::deactivate_user,
        users::change::restore_user,
        users::change::erase_user,
        me::get_me,
        organization::get_organization,
        organization::update_organization,
        keys::create_key,
        keys::list_keys,
        keys::get_key,
        keys::revoke_key,
        keys::rotate_key,
        audit::read_audit,
        events::list_events,
        webhooks::create_webhook,
        webhooks::list_webhooks,
        webhooks::get_webhook,
        webhooks::delete_webhook,
        webhooks::pause_webhook,
        webhooks::resume_webhook,
        webhooks::rotate_webhook,
        deliveries::test_webhook,
        deliveries::replay_event,
        deliveries::list_deliveries,
        deliveries::get_delivery
    ),
    components(schemas(UserRole, View)),
    tags(
        (name = "users", description = "The people of your organization"),
        (name = "me", description = "The key that is used"),
        (name = "organization", description = "The organization that the key opens"),
        (name = "keys", description = "The keys that open your organization; for keys of role ADMIN and HIPP_ADMIN"),
        (name = "audit", description = "Who did what; for keys of role ADMIN and HIPP_ADMIN"),
        (name = "events", description = "What happened in your organization"),
        (name = "webhooks", description = "The addresses that are told of it; for keys of role ADMIN and HIPP_ADMIN")
    )
)]
struct Operations;

/// The document, as JSON.
pub fn openapi() -> String {
    let mut document = Operations::openapi();
    document.info = info();
    document.servers = Some(vec![server()]);
    // No operation is open unless it says so; each of them names the key.
    document.security = Some(Vec::new());
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("BearerAuth", bearer_auth());
    for (name, response) in common_responses() {
        let mut response = response.into();
        if name != HEAD_TOO_LARGE {
            add_headers(&mut response);
        }
        components.responses.insert(name.to_owned(), response);
    }
    components.schemas.insert("ValidationError".to_owned(), validation_error());
    for (path, item) in &mut document.paths.paths {
        let PathItem { get, post, patch, delete, .. } = item;
        let operations = [
            (HttpMethod::Get, get),
            (HttpMethod::Post, post),
            (HttpMethod::Patch, patch),
            (HttpMethod::Delete, delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            if let Some(RefOr::T(body)) = operation.request_body.as_mut().filter(|_| may_have_no_body(path)) {
                body.required = Some(Required::False);
            }
            if method == HttpMethod::Post {
                operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
            }
            for (name, _) in common_responses() {
                if answers_with(path, &method, name) {
                    let reference = Ref::new(format!("#/components/responses/{name}"));
                    operation.responses.responses.insert(name.to_owned(), RefOr::Ref(reference));
                }
            }
            operation.responses.responses.values_mut().for_each(add_headers);
        }
    }
    join_lines(&document.to_pretty_json().expect("the document is JSON"))
}

/// Descriptions are doc comments, which end their lines where the source does: only their paragraphs are kept.
fn join_lines(json: &str) -> String {
    let mut joined = String::with_capacity(json.len());
    for line in json.lines() {
        if line.trim_start().starts_with("\"description\": ") {
            let paragraphs: Vec<_> = line.split(r"\n\n").map(|paragraph| paragraph.replace(r"\n", " ")).collect();
            joined.push_str(&paragraphs.join(r"\n\n"));
        } else {
            joined.push_str(line);
        }
        joined.push('\n');
    }
    joined
}

/// Answered by hyper itself, before there is a request: without a body, without an id.
const HEAD_TOO_LARGE: &str = "431";

/// Which of the common answers an operation can give.
fn answers_with(path: &str, method: &HttpMethod, status: &str) -> bool {
    match status {
        // A list may be asked to go on after something that is not there.
        "404" => path.contains('{') || (goes_on(path) && *method == HttpMethod::Get),
        "422" => *method == HttpMethod::Post,
        "408" | "413" | "415" => matches!(method, HttpMethod::Post | HttpMethod::Patch),
        // What takes neither a body nor a parameter cannot be wrong.
        "400" => path != "/v1/me" && (path != "/v1/organization" || *method == HttpMethod::Patch),
        "403" => path != "/v1/me",
        // Who only reads may ask again.
        "504" => *method != HttpMethod::Get,
        _ => true,
    }
}

/// Whether what is sent may be left out.
fn may_have_no_body(path: &str) -> bool {
    path.ends_with("/deactivate") || path.ends_with("/restore") || path == "/v1/keys/{publicId}/rotate"
}

/// Whether a list is read piece by piece.
fn goes_on(path: &str) -> bool {
    ["/v1/users", "/v1/keys", "/v1/events", "/v1/webhooks"].contains(&path)
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Roster users API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "API for managing users within your organization: the Hipp Health v1 users API, and what Roster adds to \
             it.\n\nEvery answer carries an `X-Request-Id`: the one that was sent, if it is 1 to 64 letters, digits, \
             dots, underscores and dashes, or a new one.",
        ))
        .contact(Some(ContactBuilder::new().name(Some("The operator of this server")).build()))
        .license(Some(LicenseBuilder::new().name("Apache-2.0 OR MIT").identifier(Some("Apache-2.0 OR MIT")).build()))
        .build()
}

fn server() -> Server {
    ServerBuilder::new().url("/api").description(Some("This server")).build()
}

fn bearer_auth() -> SecurityScheme {
    SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "API key authentication. Include your API key in the Authorization header as 'Bearer \
                 <your-api-key>'. A key is opaque: `roster_`, twelve characters that name it, `_`, and a secret with a \
                 checksum.",
            ))
            .build(),
    )
}

fn idempotency_key() -> Parameter {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(RepeatKey::MAX))
        .pattern(Some("^[!-~]{1,255}$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .schema(Some(name))
        .description(Some(
            "What you call this request: 1 to 255 visible ASCII characters. Sent again within 24 hours with the same \
             body, it is answered as it was and not done again (`Idempotent-Replayed: true`)",
        ))
        .build()
}

fn common_responses() -> [(&'static str, Response); 13] {
    let retry_after = || header("Whole seconds to wait before trying again", Type::Integer);
    let challenge = header("What is wanted (RFC 6750 §3); `error=\"invalid_token\"` if a key was sent", Type::String);
    let validation = Content::builder().schema(Some(Ref::from_schema_name("ValidationError"))).build();
    let not_json = "Content-Type must be application/json, without Content-Encoding";
    [
        ("400", response("Bad Request - Validation Error").content("application/json", validation).build()),
        (
            "401",
            error("Unauthorized", &["API key required", "Invalid API key"])
                .header("WWW-Authenticate", challenge)
                .build(),
        ),
        ("403", error("Forbidden", &["Access denied"]).build()),
        ("404", error("Not Found", &["Resource not found"]).build()),
        ("408", error("The body did not arrive in time", &["Request body did not arrive in time"]).build()),
        ("413", error("The body is too large", &["Request body is over 64 KiB"]).build()),
        ("415", error("The body is not JSON", &[not_json]).build()),
        (
            "422",
            error("The `Idempotency-Key` named another request", &["Idempotency-Key was used for another request"])
                .build(),
        ),
        (
            "429",
            error("Too many requests with this key", &["Too many requests"])
                .header("Retry-After", retry_after())
                .build(),
        ),
        (HEAD_TOO_LARGE, response("The head of the request is over 16 KiB, or has over 100 fields").build()),
        ("500", error("Internal Server Error", &["An unexpected error occurred"]).build()),
        (
            "503",
            error("Overloaded, or the disk is full. Nothing was written", &["Service temporarily unavailable"])
                .header("Retry-After", retry_after())
                .build(),
        ),
        (
            "504",
            error(
                "It may have been written, or may be yet: look before you send it again",
                &["The outcome is not known"],
            )
            .header("Location", header("What is there, or altered, if it was written", Type::String))
            .build(),
        ),
    ]
}

fn response(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description)
}

/// An answer that says what went wrong, in one of these sentences.
fn error(description: &str, sentences: &[&str]) -> ResponseBuilder {
    let sentence = text().description(Some("What went wrong")).examples(sentences.iter().copied());
    let schema = ObjectBuilder::new().property("error", sentence).required("error");
    let content = Content::builder().schema(Some(schema)).build();
    response(description).content("application/json", content)
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn header(description: &str, kind: Type) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::Type(kind))))
        .build()
}

/// What every answer can carry.
fn add_headers(response: &mut RefOr<Response>) {
    if let RefOr::T(response) = response {
        response.headers.insert("X-Request-Id".to_owned(), header("The id of the request", Type::String).into());
        if !response.headers.contains_key("Roster-Warning") {
            let warning = "What was passed over, as an RFC 8941 list: `unknown-field`, `more-unknown-fields`, \
                           `unknown-parameter`, `more-unknown-parameters`, `more-issues`; not there if nothing is to be \
                           said";
            response.headers.insert("Roster-Warning".to_owned(), header(warning, Type::String).into());
        }
    }
}

fn validation_error() -> RefOr<Schema> {
    let path = ArrayBuilder::new()
        .items(text())
        .examples([serde_json::json!(["email"])])
        .description(Some("From the root to the value: field names and array indexes"));
    let detail = ObjectBuilder::new()
        .property("code", text().examples(["invalid_string"]).description(Some("An issue code of zod 3")))
        .property("message", text().examples(["Valid email is required"]))
        .property("path", path)
        .required("code")
        .required("message")
        .required("path");
    ObjectBuilder::new()
        .description(Some("Everything that is wrong with the request"))
        .property("error", text().examples(["Validation error"]))
        .property("details", ArrayBuilder::new().items(detail))
        .required("error")
        .required("details")
        .into()
}
