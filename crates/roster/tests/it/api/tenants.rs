//! Two organizations on one server: each is answered as if it were alone.

use std::collections::HashMap;

use proptest::prelude::*;
use roster_directory::Role;
use serde_json::{Value, json};

use crate::roster::{Answer, Client, Organization, Roster};

/// Something a tenant does.
#[derive(Debug, Clone)]
enum Act {
    Create {
        first: &'static str,
        email: Option<&'static str>,
        role: &'static str,
        payor: Option<usize>,
    },
    List(&'static str),
    /// The n-th user that was created.
    Get(usize),
    GetUnknown,
    Me,
}

fn act() -> impl Strategy<Value = Act> {
    let first = prop::sample::select(vec!["Ann", "Bob", "Zoë", ""]);
    let email = prop::sample::select(vec!["a@example.com", "A@example.com", "b@example.com", "c@example.com", "no"]);
    let role = prop::sample::select(vec!["ADMIN", "PATIENT", "TECHNICIAN", "HIPP_ADMIN"]);
    let query = prop::sample::select(vec![
        "",
        "pageSize=2&page=2",
        "role=PATIENT",
        "role=HIPP_ADMIN",
        "search=ann",
        "search=a",
        "email=a@example.com",
        "sort=createdAt_asc&pageSize=1&page=3",
        "pageSize=0",
    ]);
    prop_oneof![
        6 => (first, prop::option::of(email), role, prop::option::of(0..3usize))
            .prop_map(|(first, email, role, payor)| Act::Create { first, email, role, payor }),
        4 => query.prop_map(Act::List),
        3 => (0..10usize).prop_map(Act::Get),
        1 => Just(Act::GetUnknown),
        1 => Just(Act::Me),
    ]
}

/// One tenant at work, and what it was answered so far.
struct Tenant<'a> {
    clients: [Client<'a>; 2],
    payors: Vec<String>,
    users: Vec<String>,
    names: HashMap<String, String>,
    transcript: Vec<String>,
}

impl<'a> Tenant<'a> {
    async fn of(org: &Organization<'a>) -> Self {
        Self {
            clients: [org.key(Role::Admin).await, org.key(Role::Clinician).await],
            payors: vec![org.payor("Example Health").await, org.payor("Sample Care").await],
            users: Vec::new(),
            names: HashMap::new(),
            transcript: Vec::new(),
        }
    }

    async fn act(&mut self, act: &Act) {
        for client in self.clients.clone() {
            let answer = match act {
                Act::Create { first, email, role, payor } => {
                    let mut body = json!({ "firstName": first, "lastName": "Doe", "role": role });
                    if let Some(email) = email {
                        body["email"] = json!(email);
                    }
                    if let Some(payor) = payor {
                        let known = self.payors.get(*payor).cloned().unwrap_or_else(|| "pay_unknown00000".to_owned());
                        body["providerPayors"] = json!([known]);
                    }
                    client.post("/api/v1/users", body).await
                }
                Act::List(query) => client.get(&format!("/api/v1/users?{query}")).await,
                Act::Get(nth) => match self.users.get(*nth) {
                    Some(id) => client.get(&format!("/api/v1/users/{id}")).await,
                    None => continue,
                },
                Act::GetUnknown => client.get("/api/v1/users/usr_1234567890_abc123def").await,
                Act::Me => client.get("/api/v1/me").await,
            };
            if let Some(id) = answer.body["user"]["publicId"].as_str() {
                self.users.push(id.to_owned());
            }
            self.note(answer);
        }
    }

    /// Writes an answer down, with ids by the order in which they appeared.
    fn note(&mut self, answer: Answer) {
        let mut body = answer.body.clone();
        self.rename(&mut body);
        let warning = answer.header("roster-warning");
        self.transcript.push(format!("{} {body} {warning}", answer.status.as_u16()));
    }

    fn rename(&mut self, value: &mut Value) {
        match value {
            Value::String(text) if text.len() >= 16 && text.as_bytes()[3] == b'_' => {
                let next = format!("{}#{}", &text[..3], self.names.len());
                *text = self.names.entry(text.clone()).or_insert(next).clone();
            }
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.rename(element)),
            Value::Object(members) => members.values_mut().for_each(|member| self.rename(member)),
            _ => {}
        }
    }
}

async fn alone(acts: &[(bool, Act)], whose: bool) -> Vec<String> {
    let roster = Roster::new();
    let mut tenant = Tenant::of(&roster.organization("Example Organization").await).await;
    for (_, act) in acts.iter().filter(|(of, _)| *of == whose) {
        tenant.act(act).await;
    }
    tenant.transcript
}

async fn check(acts: Vec<(bool, Act)>) {
    let roster = Roster::new();
    let (one, two) =
        (roster.organization("Example Organization").await, roster.organization("Example Organization").await);
    let (mut one, mut two) = (Tenant::of(&one).await, Tenant::of(&two).await);
    for (of_one, act) in &acts {
        match of_one {
            true => one.act(act).await,
            false => two.act(act).await,
        }
    }
    assert_eq!(one.transcript, alone(&acts, true).await);
    assert_eq!(two.transcript, alone(&acts, false).await);

    // And nothing of the one is there for the other.
    for (tenant, other) in [(&one, &two), (&two, &one)] {
        for id in &other.users {
            for client in &tenant.clients {
                assert_eq!(client.get(&format!("/api/v1/users/{id}")).await.status, 404);
                let found = client.get(&format!("/api/v1/users?search={id}")).await;
                assert_eq!(found.body["pagination"]["totalCount"], 0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_tenant_is_answered_as_if_it_were_alone(acts in prop::collection::vec((any::<bool>(), act()), 10..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(check(acts));
    }
}
