//! `/openapi.json`: what is served is what is documented, all of it and nothing else.

mod contract;

use std::collections::BTreeSet;

use axum::body::Body;
use hyper::{Request, StatusCode, header::CONTENT_TYPE};
use roster_directory::{Role, audit::Action};
use serde_json::{Value, json};

use crate::roster::{Answer, Client, Roster};

/// What is served beside the API: none of it needs a key, and none of it knows anything about an organization.
const BESIDE_THE_API: [(&str, &str); 9] = [
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/docs/"),
    ("GET", "/docs/{file}"),
    ("GET", "/healthz"),
    ("GET", "/openapi.json"),
    ("GET", "/readyz"),
    ("POST", "/sms/inbound"),
    ("POST", "/sms/status"),
];

/// One operation of the document.
struct Operation {
    method: String,
    /// Below the host: `/api/v1/users/{publicId}`.
    path: String,
    body: Option<Value>,
    id: String,
}

impl Operation {
    fn all() -> Vec<Operation> {
        let document = document();
        let base = document["servers"][0]["url"].as_str().expect("an address");
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let content = "/requestBody/content/application~1json";
                let body = operation
                    .pointer(&format!("{content}/examples/basic/value"))
                    .or_else(|| operation.pointer(&format!("{content}/example")));
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: format!("{base}{path}"),
                    body: body.cloned(),
                    id: operation["operationId"].as_str().expect("an id").to_owned(),
                });
            }
        }
        operations
    }

    async fn ask(&self, roster: &Roster, client: &Client<'_>, things: &Things) -> Answer {
        let body = self.body.as_ref().map_or(Body::empty(), |body| Body::from(body.to_string()));
        let path = things.in_path(&self.path);
        let request = client.request(&self.method, &path).header(CONTENT_TYPE, "application/json");
        roster.send(request.body(body).expect("a request")).await
    }
}

/// What an organization has: one of each that has a path of its own.
struct Things {
    user: String,
    key: String,
    webhook: String,
    delivery: String,
}

impl Things {
    async fn of(admin: &Client<'_>) -> Things {
        let ada =
            json!({ "firstName": "Ada", "lastName": "Lovelace", "email": "ada@sunrise.example", "role": "PATIENT" });
        let user = admin.create(ada).await;
        let webhook = admin.webhook("https://sunrise.example/hook").await;
        let test = admin.act(&format!("/api/v1/webhooks/{webhook}/test")).await;
        let delivery = test.body["delivery"]["publicId"].as_str().expect("an id").to_owned();
        Things { user, key: admin.key_id().to_string(), webhook, delivery }
    }

    /// A documented path, with these things in it.
    fn in_path(&self, path: &str) -> String {
        let public_id = match path {
            _ if path.starts_with("/api/v1/webhooks/") => &self.webhook,
            _ if path.starts_with("/api/v1/keys/") => &self.key,
            _ => &self.user,
        };
        let concrete = path.replace("{publicId}", public_id).replace("{deliveryId}", &self.delivery);
        assert!(!concrete.contains('{'), "{path}: say here what stands for its parameter");
        concrete
    }
}

fn document() -> Value {
    serde_json::from_str(&roster::http::openapi()).expect("JSON")
}

#[tokio::test]
async fn the_document_is_served_as_the_command_line_prints_it() {
    let roster = Roster::new();
    let answer = roster.stranger().get("/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.body, document());
}

#[tokio::test]
async fn no_documented_route_answers_without_a_key() {
    let roster = Roster::new();
    let things = Things::of(&roster.admin().await).await;
    let operations = Operation::all();
    assert!(operations.len() >= 15);
    for operation in operations {
        let answer = operation.ask(&roster, &roster.stranger(), &things).await;
        let said = (answer.status.as_u16(), answer.header("www-authenticate"), &answer.body);
        let refused = (401, "Bearer realm=\"roster\"", &json!({ "error": "API key required" }));
        assert_eq!(said, refused, "{} {}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn no_documented_route_shows_or_changes_what_is_the_neighbors() {
    let roster = Roster::new();
    let (ours, theirs) = (roster.organization("Sunrise").await, roster.organization("Moonlight").await);
    let admin = ours.key(Role::Admin).await;
    let things = Things::of(&admin).await;
    let own =
        ["/api/v1/organization", "/api/v1/keys", "/api/v1/users", "/api/v1/webhooks", "/api/v1/events?pageSize=100"];
    let mut before = Vec::new();
    for path in own {
        before.push(admin.get(path).await.body);
    }

    let neighbor = theirs.key(Role::Admin).await;
    let ids = [ours.id().to_string(), admin.key_id().to_string()];
    for operation in Operation::all() {
        let answer = operation.ask(&roster, &neighbor, &things).await;
        let name = format!("{} {}", operation.method, operation.path);
        if operation.path.contains('{') {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
        } else {
            assert_eq!(answer.status, StatusCode::OK, "{name}");
        }
        let shown = format!("{:?} {}", answer.headers, answer.body);
        let Things { user, webhook, delivery, .. } = &things;
        for secret in ["Sunrise", "Ada", "Lovelace", "sunrise.example", user, webhook, delivery, &ids[0], &ids[1]] {
            assert!(!shown.contains(secret), "{name} shows {secret}: {shown}");
        }
    }
    for (path, before) in own.into_iter().zip(before) {
        assert_eq!(admin.get(path).await.body, before, "{path}");
    }
}

/// The router cannot be asked what it serves, so its source is read: whoever adds a route adds it to the document, or
/// to the short list above.
#[test]
fn every_route_in_the_source_is_documented() {
    let source = |name: &str| {
        let path = format!("{}/src/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("a source file")
    };
    let mut routed = BTreeSet::new();
    for (file, prefix) in [("http.rs", ""), ("http/api.rs", "/api/v1")] {
        for route in source(file).split(".route(").skip(1) {
            let path = route.trim_start().strip_prefix('"').and_then(|route| Some(route.split_once('"')?.0));
            routed.insert(format!("{prefix}{}", path.expect("a path written where the route is made")));
        }
    }
    assert!(source("http.rs").contains(r#".nest("/api/v1", api::routes())"#), "the prefix above is this one");

    let mut known: BTreeSet<String> = Operation::all().into_iter().map(|operation| operation.path).collect();
    known.extend(BESIDE_THE_API.map(|(_, path)| path.to_owned()));
    assert_eq!(routed, known);
}

#[tokio::test]
async fn every_documented_operation_is_counted_under_its_own_name() {
    let roster = Roster::new();
    let things = Things::of(&roster.admin().await).await;
    for operation in Operation::all() {
        let (first, rest) = operation.id.split_at(1);
        let counted = format!("roster_http_answers_total{{route=\"{}{rest}\",status=\"401\"}} 1", first.to_uppercase());
        assert!(!roster.metrics().contains(&counted), "{counted}");
        operation.ask(&roster, &roster.stranger(), &things).await;
        assert!(roster.metrics().lines().any(|line| line == counted), "{counted}");
    }
}

/// A method that is not documented would be named by `Allow`.
#[tokio::test]
async fn every_path_takes_its_documented_methods_only() {
    let roster = Roster::new();
    let things = Things::of(&roster.admin().await).await;
    let operations = Operation::all();
    let documented = operations.iter().map(|operation| (operation.method.as_str(), operation.path.as_str()));
    let served: Vec<_> = documented.chain(BESIDE_THE_API).collect();
    for (_, path) in &served {
        let mut expected: BTreeSet<_> = served.iter().filter(|(_, other)| other == path).map(|(m, _)| *m).collect();
        if expected.contains("GET") {
            expected.insert("HEAD");
        }
        let concrete = things.in_path(&path.replace("{file}", "index.html"));
        let request = Request::builder().method("PROPFIND").uri(concrete).body(Body::empty()).expect("a request");
        let answer = roster.send(request).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.body, json!({ "error": "Method not allowed" }), "{path}");
        let allowed: BTreeSet<_> = answer.header("allow").split(',').map(str::trim).collect();
        assert_eq!(allowed, expected, "{path}");
    }
}

#[test]
fn what_may_be_left_out_of_a_request_may_not_be_null() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let requests: Vec<_> = schemas.iter().filter(|(name, _)| name.ends_with("Request")).collect();
    assert_eq!(requests.len(), 9);
    for (request, schema) in requests {
        for (name, field) in schema["properties"].as_object().expect("fields") {
            let clears = (request == "UpdateUserRequest"
                && !["firstName", "lastName", "role", "shouldSendSMS"].contains(&name.as_str()))
                || (request == "CreateKeyRequest" && name == "expiresAt");
            let has_null = |field: &Value, one: &Value| field.as_array().is_some_and(|all| all.contains(one));
            let is_nullable =
                has_null(&field["type"], &json!("null")) || has_null(&field["oneOf"], &json!({ "type": "null" }));
            assert!(field["type"].is_string() != clears && is_nullable == clears, "{request}, {name}: {field}");
        }
    }
    let mut parameters = 0;
    for path in ["/v1/users", "/v1/keys", "/v1/events", "/v1/webhooks", "/v1/webhooks/{publicId}/deliveries"] {
        for parameter in document["paths"][path]["get"]["parameters"].as_array().expect("parameters") {
            let schema = &parameter["schema"];
            assert!(schema["type"].is_string() || schema["$ref"].is_string(), "{parameter}");
            parameters += 1;
        }
    }
    assert_eq!(parameters, 19);
}

/// What the document may not be: stricter than the server.
#[test]
fn the_document_has_room_for_what_the_server_takes() {
    let document = document();
    let webhook = &document["components"]["schemas"]["CreateWebhookRequest"]["properties"];
    assert_eq!(webhook["events"]["maxItems"], Action::TOLD.len());
    assert_eq!((&webhook["url"]["pattern"], &webhook["url"]["format"]), (&Value::Null, &Value::Null));
    let user = &document["components"]["schemas"]["CreateUserRequest"]["properties"];
    for name in ["firstName", "lastName"] {
        assert_eq!(user[name]["maxLength"], Value::Null, "white space around it is removed before it is measured");
        let pattern = user[name]["pattern"].as_str().expect("a pattern");
        assert!(pattern.starts_with(r"^[\u0009-\u000d\u0020"), "tabs and line ends before it too: {pattern}");
    }
}

#[test]
fn what_is_always_in_an_answer_is_required() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in
        schemas.iter().filter(|(name, schema)| schema["type"] == "object" && !name.ends_with("Request"))
    {
        let mut fields: BTreeSet<_> = schema["properties"].as_object().expect("fields").keys().cloned().collect();
        if name == "EventData" {
            assert!(fields.remove("fields"), "what changed is told of user.updated only");
        }
        let required = schema["required"].as_array().expect("a list").iter();
        let required: BTreeSet<_> = required.map(|name| name.as_str().expect("a name").to_owned()).collect();
        assert_eq!(required, fields, "{name}");
    }
}
