//! `Roster-Warning`: names in a body or a query that nobody knows are passed over, and named.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use crate::roster::{Answer, Client, Roster};

const USERS: &str = "/api/v1/users";
const WEBHOOKS: &str = "/api/v1/webhooks";

/// What an answer warns of, a line each. There is one header of it.
fn warnings(answer: &Answer) -> String {
    assert!(answer.headers.get_all("roster-warning").iter().count() <= 1);
    answer.header("roster-warning").replace(", ", "\n")
}

async fn create(client: &Client<'_>, with: Value) -> Answer {
    let mut body = json!({ "firstName": "John", "lastName": "Doe" });
    body.as_object_mut().expect("an object").extend(with.as_object().expect("an object").clone());
    let answer = client.post(USERS, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    answer
}

#[tokio::test]
async fn a_mistyped_field_is_named_and_the_user_is_created() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = create(&admin, json!({ "emial": "john@example.com", "Phone Number": { "email": 1 } })).await;
    assert_snapshot!(warnings(&answer), @r#"
    unknown-field;name="Phone Number"
    unknown-field;name="emial"
    "#);
    assert_eq!(answer.body["user"]["email"], Value::Null);
    assert_eq!(warnings(&create(&admin, json!({ "email": "john@example.com" })).await), "");
}

#[tokio::test]
async fn it_stands_beside_what_else_is_warned_of_in_one_header() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = json!({ "firstName": "A", "lastName": "B", "npiNumber": "1", "emial": "x" });
    let answer = admin.post(&format!("{USERS}?dryRun=true"), body).await;
    assert_snapshot!(warnings(&answer), @r#"
    npi-check-digit
    unknown-field;name="emial"
    unknown-parameter;name="dryRun"
    "#);
}

#[tokio::test]
async fn a_refusal_names_them_too() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (admin, some) = (org.key(Role::Admin).await, org.key(Role::ClinicalAdmin).await);
    let misnamed = json!({ "first_name": "John", "lastName": "Doe" });
    let answer = admin.post(USERS, misnamed).await;
    assert_eq!((answer.status.as_u16(), &*warnings(&answer)), (400, "unknown-field;name=\"first_name\""));
    create(&admin, json!({ "email": "taken@example.com" })).await;
    let body =
        |role: &str| json!({ "firstName": "A", "lastName": "B", "email": "taken@example.com", "role": role, "x": 1 });
    for (role, status) in [("ADMIN", 403), ("PATIENT", 400)] {
        let answer = some.post(USERS, body(role)).await;
        assert_eq!((answer.status.as_u16(), &*warnings(&answer)), (status, "unknown-field;name=\"x\""));
    }
}

#[tokio::test]
async fn at_most_twenty_are_named_and_the_rest_counted() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let many: Value =
        (0..2_000).map(|nth| (format!("field{nth:04}"), json!("secret"))).collect::<serde_json::Map<_, _>>().into();
    let said = warnings(&create(&admin, many).await);
    assert_eq!(said.matches("unknown-field;name=").count(), 20);
    assert!(said.ends_with("\nmore-unknown-fields;count=1980"), "{said}");
    // With everything else that one answer can warn of, the header still fits into a proxy's buffer.
    let long = |nth: usize| format!("{}{nth:02}", "x".repeat(62));
    let mut body: serde_json::Map<_, _> = (0..90).map(|nth| (long(nth), json!(1))).collect();
    body.insert("providerPayors".to_owned(), json!((0..100).map(long).collect::<Vec<_>>()));
    body.extend(
        [("firstName", "A"), ("lastName", "B"), ("npiNumber", "1"), ("phoneNumber", "1")]
            .map(|(name, text)| (name.to_owned(), json!(text))),
    );
    let query: Vec<_> = (0..90).map(|nth| long(nth) + "=1").collect();
    let answer = admin.post(&format!("{USERS}?{}", query.join("&")), body.into()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("roster-warning").len() < 4_000, "{}", answer.header("roster-warning").len());
}

#[tokio::test]
async fn a_name_that_may_be_data_is_counted_and_not_repeated() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let long = "x".repeat(65);
    let answer = create(
        &admin,
        json!({
            "": 1, "é": 1, "jane@example.com": 1, "+1 415 555 0100": 1, "a\"b": 1, "a\\b": 1, "a\r\nSet-Cookie: b": 1,
            "<script>": 1, long: 1, "address[0].line-1": 1, "$ref": 1, "__proto__": 1
        }),
    )
    .await;
    assert_snapshot!(warnings(&answer), @r#"
    unknown-field;name="$ref"
    unknown-field;name="__proto__"
    unknown-field;name="address[0].line-1"
    more-unknown-fields;count=9
    "#);
    let answer = admin.get(&format!("{USERS}?=1&%C3%A9=2&a%00b=3&pag%65size=4&pagesize=5")).await;
    assert_snapshot!(warnings(&answer), @r#"
    unknown-parameter;name="pagesize"
    more-unknown-parameters;count=3
    "#);
}

#[tokio::test]
async fn every_route_names_the_parameters_that_it_does_not_take() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let user = create(&admin, json!({})).await.body["user"]["publicId"].as_str().expect("an id").to_owned();
    let webhook = admin.webhook("https://hooks.example.com/").await;
    let test = admin.act(&format!("{WEBHOOKS}/{webhook}/test")).await;
    let delivery = test.body["delivery"]["publicId"].as_str().expect("an id").to_owned();
    let event = format!("evt_{}_000000000001", &admin.organization_id().as_str()[4..]);
    for (path, taken) in [
        (USERS.to_owned(), "page=1&pageSize=1&search=a&role=PATIENT&email=&sort=createdAt_asc"),
        (format!("{USERS}/{user}"), ""),
        (format!("{USERS}/usr_1"), ""),
        (format!("{USERS}/usr_1234567890_abc123def"), ""),
        ("/api/v1/me".to_owned(), ""),
        ("/api/v1/events".to_owned(), &format!("pageSize=1&cursor={event}")),
        (WEBHOOKS.to_owned(), "pageSize=1"),
        (format!("{WEBHOOKS}/{webhook}"), ""),
        (format!("{WEBHOOKS}/{webhook}/deliveries"), "state=owed&pageSize=1"),
        (format!("{WEBHOOKS}/{webhook}/deliveries/{delivery}"), ""),
    ] {
        let answer = admin.get(&format!("{path}?{taken}")).await;
        assert_eq!(warnings(&answer), "", "{path}");
        let answer = admin.get(&format!("{path}?{taken}&pagesize=x&q=smith&q=doe")).await;
        let named = "unknown-parameter;name=\"pagesize\"\nunknown-parameter;name=\"q\"";
        assert_eq!(warnings(&answer), named, "{path}");
    }
    for act in ["pause", "resume", "rotate", "test"] {
        let answer = admin.post(&format!("{WEBHOOKS}/{webhook}/{act}?now"), json!({ "now": true })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        assert_eq!(warnings(&answer), "unknown-field;name=\"now\"\nunknown-parameter;name=\"now\"", "{act}");
    }
    let answer = admin.post(&format!("{WEBHOOKS}/{webhook}/replay"), json!({ "event": event, "evnt": 1 })).await;
    assert_eq!((answer.status.as_u16(), &*warnings(&answer)), (200, "unknown-field;name=\"evnt\""));
    let answer = admin.post(WEBHOOKS, json!({ "URL": "https://hooks.example.com/" })).await;
    assert_eq!((answer.status.as_u16(), &*warnings(&answer)), (400, "unknown-field;name=\"URL\""));
    let answer = roster.stranger().get("/healthz?pagesize=1").await;
    assert_eq!(warnings(&answer), "", "who asks for health puts what it likes there, against caches");
}

#[tokio::test]
async fn webhooks_are_a_list_as_every_other() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    for _ in 0..5 {
        admin.webhook("https://hooks.example.com/").await;
    }
    let ids = |answer: &Answer| -> Vec<String> {
        let webhooks = answer.body["data"].as_array().expect("webhooks");
        webhooks.iter().map(|one| one["publicId"].as_str().expect("an id").to_owned()).collect()
    };
    let whole = admin.get(WEBHOOKS).await;
    assert_eq!((ids(&whole).len(), whole.header("link")), (5, ""));
    let (mut read, mut path) = (Vec::new(), format!("{WEBHOOKS}?pageSize=2"));
    loop {
        let page = admin.get(&path).await;
        read.extend(ids(&page));
        let Some(next) = page.header("link").strip_prefix('<') else { break };
        path = format!("{WEBHOOKS}{}", next.trim_end_matches(">; rel=\"next\""));
    }
    assert_eq!(read, ids(&whole));
    let theirs = roster.admin().await.webhook("https://hooks.example.com/").await;
    for (cursor, status) in [("whk_1", 400), ("whk_aaaaaaaaaaaa", 404), (&*theirs, 404)] {
        assert_eq!(admin.get(&format!("{WEBHOOKS}?cursor={cursor}")).await.status.as_u16(), status, "{cursor}");
    }
    assert_eq!(admin.get(&format!("{WEBHOOKS}?pageSize=101")).await.status, StatusCode::BAD_REQUEST);
}
