//! Who may do what: design.md §2, cell by cell, over HTTP.

use roster_directory::Role;
use serde_json::{Value, json};

use crate::roster::Roster;

/// The columns of the table: the role of the user.
pub(super) const USERS: [&str; 12] = [
    "ADMIN",
    "BILLING_MANAGER",
    "SCHEDULING_MANAGER",
    "CLINICIAN",
    "TECHNICIAN",
    "PATIENT",
    "CAREGIVER",
    "CLINICAL_ADMIN",
    "PAYROLL_ADMIN",
    "CLINICAL_SUPERADMIN",
    "HIPP_BILLING_MANAGER",
    "HIPP_ADMIN",
];

/// A row per key. First what creating such a user answers: `2` for 200, `3` for 403, `4` for 400. Then what reading one
/// answers: `2` for 200 and a place in the list, `4` for 404 and none, `3` for 403 on both.
const TABLE: [(&str, &str, &str); 12] = [
    //                       ABSCTPCCPSHH    ABSCTPCCPSHH
    ("HIPP_ADMIN", "222222222444", "222222222224"),
    ("ADMIN", "222222222444", "222222222224"),
    ("CLINICAL_SUPERADMIN", "332222223444", "222222222224"),
    ("CLINICAL_ADMIN", "333222233444", "222222222224"),
    ("SCHEDULING_MANAGER", "333322233444", "222222222224"),
    ("BILLING_MANAGER", "333332233444", "222222222224"),
    ("HIPP_BILLING_MANAGER", "333332233444", "222222222224"),
    ("CLINICIAN", "333332233444", "444222244444"),
    ("PAYROLL_ADMIN", "333333333333", "222224422244"),
    ("TECHNICIAN", "333333333333", "333333333333"),
    ("PATIENT", "333333333333", "333333333333"),
    ("CAREGIVER", "333333333333", "333333333333"),
];

fn role(name: &str) -> Role {
    Role::parse(name).expect("a role")
}

#[tokio::test]
async fn every_key_may_do_what_the_table_says_and_nothing_else() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let mut ids = Vec::new();
    for user in USERS {
        ids.push(org.user("John", "Doe", role(user)).await);
    }
    let mut said = Vec::new();
    for (key, _, _) in TABLE {
        let client = org.key(role(key)).await;
        let list = client.get("/api/v1/users?sort=createdAt_asc&pageSize=100").await;
        let (mut creates, mut reads) = (String::new(), String::new());
        for (user, id) in USERS.iter().zip(&ids) {
            let answer = client.get(&format!("/api/v1/users/{id}")).await;
            let read = digit(answer.status.as_u16(), [(200, '2'), (404, '4'), (403, '3')]);
            reads.push(read);
            let of_role = client.get(&format!("/api/v1/users?role={user}")).await;
            match read {
                '3' => assert_eq!((list.status.as_u16(), of_role.status.as_u16()), (403, 403)),
                _ => {
                    assert_eq!(shows(&list.body, id), read == '2', "{key} lists {user}");
                    assert_eq!(shows(&of_role.body, id), read == '2', "{key} lists {user} by role");
                    let total = of_role.body["pagination"]["totalCount"].as_u64().expect("a number");
                    assert_eq!(total > 0, read == '2', "{key} counts {user}");
                }
            }
        }
        for user in USERS {
            let body = json!({ "firstName": "Jane", "lastName": "Doe", "role": user });
            let answer = client.post("/api/v1/users", body).await;
            creates.push(digit(answer.status.as_u16(), [(200, '2'), (403, '3'), (400, '4')]));
        }
        said.push((key, creates, reads));
    }
    let table: Vec<_> = TABLE.map(|(key, creates, reads)| (key, creates.to_owned(), reads.to_owned())).into();
    assert_eq!(said, table);
}

#[tokio::test]
async fn whoever_may_not_create_a_technician_is_refused_the_default_role() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let body = || json!({ "firstName": "Jane", "lastName": "Doe" });
    assert_eq!(org.key(Role::Clinician).await.post("/api/v1/users", body()).await.status, 403);
    let answer = org.key(Role::SchedulingManager).await.post("/api/v1/users", body()).await;
    assert_eq!(answer.body["user"]["role"], "TECHNICIAN");
}

/// Which keys manage webhooks, and of whose users a key hears: a column per user, in the order of `USERS`.
const HEARS: [(&str, bool, &str); 12] = [
    //                              ABSCTPCCPSHH
    ("HIPP_ADMIN", true, "eeeeeeeeeee."),
    ("ADMIN", true, "eeeeeeeeeee."),
    ("CLINICAL_SUPERADMIN", false, "eeeeeeeeeee."),
    ("CLINICAL_ADMIN", false, "eeeeeeeeeee."),
    ("SCHEDULING_MANAGER", false, "eeeeeeeeeee."),
    ("BILLING_MANAGER", false, "eeeeeeeeeee."),
    ("HIPP_BILLING_MANAGER", false, "eeeeeeeeeee."),
    ("CLINICIAN", false, "...eeee....."),
    ("PAYROLL_ADMIN", false, "eeeee..eee.."),
    ("TECHNICIAN", false, "............"),
    ("PATIENT", false, "............"),
    ("CAREGIVER", false, "............"),
];

#[tokio::test]
async fn every_key_hears_of_those_it_may_read_and_admins_of_everything_else() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let mut ids = Vec::new();
    for user in USERS {
        ids.push(org.user("John", "Doe", role(user)).await);
    }
    let webhook = admin.webhook("https://hooks.example.com/roster").await;
    for (key, manages, hears) in HEARS {
        let client = org.key(role(key)).await;
        let answer = client.get("/api/v1/events?pageSize=100").await;
        if !hears.contains('e') {
            assert_eq!(answer.status, 403, "{key}");
            continue;
        }
        assert_eq!(answer.status, 200, "{key}");
        let events = answer.body["data"].as_array().expect("events");
        let is_told_of = |id: &str| events.iter().any(|event| event["data"]["publicId"] == id);
        let told: String = ids.iter().map(|id| if is_told_of(id) { 'e' } else { '.' }).collect();
        assert_eq!(told, hears, "{key}");
        assert_eq!(is_told_of(&webhook), manages, "{key}");
        let of_others = events.iter().filter(|event| event["type"] != "user.created").count();
        assert_eq!(of_others > 0, manages, "{key}");
    }
}

#[tokio::test]
async fn only_admins_manage_webhooks() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let event = admin.get("/api/v1/events").await.body["data"][0]["publicId"].clone();
    for (key, manages, _) in HEARS {
        let webhook = admin.webhook("https://hooks.example.com/roster").await;
        let path = format!("/api/v1/webhooks/{webhook}");
        let test = admin.act(&format!("{path}/test")).await;
        let delivery = test.body["delivery"]["publicId"].as_str().expect("an id");
        let client = org.key(role(key)).await;
        let url = json!({ "url": "https://hooks.example.com/roster" });
        let answers = [
            client.post("/api/v1/webhooks", url).await,
            client.get("/api/v1/webhooks").await,
            client.get(&path).await,
            client.act(&format!("{path}/pause")).await,
            client.act(&format!("{path}/resume")).await,
            client.act(&format!("{path}/rotate")).await,
            client.act(&format!("{path}/test")).await,
            client.post(&format!("{path}/replay"), json!({ "event": event })).await,
            client.get(&format!("{path}/deliveries")).await,
            client.get(&format!("{path}/deliveries/{delivery}")).await,
            client.delete(&path).await,
        ];
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses, [if manages { 200 } else { 403 }; 11], "{key}");
        assert_eq!(admin.get(&path).await.status.as_u16(), if manages { 404 } else { 200 }, "{key}");
    }
}

fn digit(status: u16, digits: [(u16, char); 3]) -> char {
    digits.into_iter().find(|(of, _)| *of == status).map_or('?', |(_, digit)| digit)
}

fn shows(list: &Value, id: &str) -> bool {
    list["data"].as_array().expect("a list").iter().any(|user| user["publicId"] == id)
}
