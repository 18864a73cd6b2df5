//! `DELETE /api/v1/users/{publicId}`

use hyper::StatusCode;
use roster_directory::Role;
use serde_json::{Value, json};

use super::{audit, consents, deactivated, events, issues, listed, messages_to, of, patched, whole};
use crate::roster::{NOW, Roster};

const NOT_FOUND: &str = "404\n{\n  \"error\": \"Resource not found\"\n}";

#[tokio::test]
async fn only_whoever_left_is_erased_and_then_is_nowhere() {
    let roster = Roster::new();
    let beside = roster.again();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let body = json!({
        "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com", "phoneNumber": "+14155550123",
        "shouldSendSMS": true, "externalId": "HR-1", "role": "PATIENT"
    });
    let id = admin.create(body.clone()).await;
    let john = admin.create(json!({ "firstName": "John", "lastName": "Doe" })).await;
    let remembered = audit(&roster, &admin).await;
    assert_eq!(admin.delete(&of(&id)).await.to_string(), "409\n{\n  \"error\": \"Deactivate the user first\"\n}");
    assert_eq!(audit(&roster, &admin).await, remembered);
    deactivated(&admin, &id).await;
    // What is kept in memory of them in either process goes too.
    for client in [&admin, &admin.at(&beside)] {
        assert_eq!(client.get(&of(&id)).await.body["firstName"], "Jane");
        assert_eq!(listed(client, "status=ALL").await.1, 2);
    }

    let answer = admin.delete(&of(&id)).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    for client in [&admin.at(&beside), &admin] {
        for answer in [
            client.get(&of(&id)).await,
            client.get(&format!("{}?view=full", of(&id))).await,
            client.patch(&of(&id), json!({ "city": "x" })).await,
            client.act(&format!("{}/deactivate", of(&id))).await,
            client.act(&format!("{}/restore", of(&id))).await,
            client.delete(&of(&id)).await,
        ] {
            assert_eq!(answer.to_string(), NOT_FOUND);
        }
        for query in ["", "status=ALL", "status=ALL&search=doe", "status=ALL&view=full"] {
            assert_eq!(listed(client, query).await, (vec![john.clone()], 1), "{query}");
        }
        for query in [
            "status=DEACTIVATED",
            "status=ALL&email=jane@example.com",
            "status=ALL&search=jane",
            "status=ALL&role=PATIENT",
        ] {
            assert_eq!(listed(client, query).await, (vec![], 0), "{query}");
        }
        assert_eq!(listed(client, &format!("status=ALL&search={id}")).await, (vec![], 0));
        let cursor = client.get(&format!("/api/v1/users?cursor={id}")).await;
        assert_eq!(cursor.to_string(), NOT_FOUND, "nobody is after them");
    }
    assert_eq!(messages_to(&roster, &admin, &id).await, [""; 0]);
    assert_eq!(consents(&roster, &admin, &id).await, [false; 0]);
    let of_them = audit(&roster, &admin).await.into_iter().filter(|entry| entry.target == id);
    let actions: Vec<_> = of_them.map(|entry| entry.action).collect();
    assert_eq!(actions, ["user.erased", "user.deactivated", "user.created"]);
    assert_eq!(events(&admin).await.iter().filter(|(_, target)| *target == id).count(), 3);
    // What was theirs is free, and they are somebody else.
    assert_ne!(admin.create(body).await, id);
}

#[tokio::test]
async fn only_admins_erase() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    for role in Role::ALL {
        let id = org.user("Jane", "Doe", Role::Patient).await;
        deactivated(&admin, &id).await;
        let expected = if [Role::Admin, Role::HippAdmin].contains(&role) { 204 } else { 403 };
        let client = org.key(role).await;
        assert_eq!(client.delete(&of(&id)).await.status, expected, "{role}");
        assert_eq!(client.delete(&of("usr_1")).await.status, if expected == 204 { 400 } else { 403 }, "{role}");
        assert_eq!(admin.get(&of(&id)).await.status, if expected == 204 { 404 } else { 200 }, "{role}");
    }
    // Nor is anybody erased by a key that may not change them.
    for role in [Role::ClinicalSuperadmin, Role::HippBillingManager] {
        let id = org.user("Jane", "Doe", role).await;
        let user = roster_directory::UserId::parse(&id).expect("an id");
        roster.app().deactivate_user(&org.operator, user, &roster::app::Meant::Any, None, None).await.expect("left");
        assert_eq!(admin.delete(&of(&id)).await.status, 403, "{role}");
    }
}

#[tokio::test]
async fn whose_caregiver_is_erased_has_none() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let caregiver = org.user("Ada", "Doe", Role::Caregiver).await;
    let mut patients = Vec::new();
    for nth in 0..5 {
        let body =
            json!({ "firstName": "Eve", "lastName": format!("Doe{nth}"), "role": "PATIENT", "caregiverId": caregiver });
        patients.push(admin.create(body).await);
    }
    // Somebody may be their own, or may have left.
    patched(&admin, &caregiver, json!({ "caregiverId": caregiver })).await;
    deactivated(&admin, &patients[4]).await;
    deactivated(&admin, &caregiver).await;
    for patient in &patients {
        assert_eq!(admin.get(&of(patient)).await.body["caregiverId"], caregiver.as_str(), "until then");
    }
    assert_eq!(admin.delete(&of(&caregiver)).await.status, StatusCode::NO_CONTENT);
    for patient in &patients {
        assert_eq!(admin.get(&of(patient)).await.body["caregiverId"], Value::Null);
        assert_eq!(whole(&admin, patient).await.body["caregiverId"], Value::Null);
    }
    let entries = audit(&roster, &admin).await;
    assert_eq!((entries[0].action.as_str(), entries[0].target.as_str()), ("user.erased", caregiver.as_str()));
    let cleared = entries.iter().filter(|entry| entry.action == "user.updated" && entry.fields == "caregiverId");
    let mut cleared: Vec<_> = cleared.map(|entry| entry.target.clone()).filter(|id| *id != caregiver).collect();
    cleared.sort();
    patients.sort();
    assert_eq!(cleared, patients, "each is told of");
}

#[tokio::test]
async fn whoever_is_erased_only_if_they_are_as_they_were_is_not_if_they_are_not() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let active = whole(&admin, &id).await.header("etag").to_owned();
    let left = deactivated(&admin, &id).await.header("etag").to_owned();
    let answer = admin.ask("DELETE", &of(&id), &[("if-match", &active)], None).await;
    assert_eq!(answer.to_string(), "412\n{\n  \"error\": \"Precondition failed\"\n}");
    assert_eq!(admin.ask("DELETE", &of(&id), &[("if-match", &left)], None).await.status, StatusCode::NO_CONTENT);
}

/// Erasures leave gaps among those who are counted: pages stay exact.
#[tokio::test]
async fn lists_count_exactly_around_those_who_are_gone() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let mut ids = Vec::new();
    for nth in 0..40 {
        ids.push(admin.create(json!({ "firstName": "Jane", "lastName": format!("Doe{nth}") })).await);
    }
    for nth in (0..40).rev().filter(|nth| nth % 9 == 0 || *nth == 39) {
        let id = ids.remove(nth);
        deactivated(&admin, &id).await;
        assert_eq!(admin.delete(&of(&id)).await.status, StatusCode::NO_CONTENT);
    }
    roster.set_clock(NOW + 1);
    ids.push(admin.create(json!({ "firstName": "Jane", "lastName": "Late" })).await);
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
    for client in [&admin, &admin.at(&beside)] {
        for size in [1, 3, 7, 100] {
            for query in ["", "&search=jane", "&status=ALL"] {
                let page = async |sort: &str, number: usize| {
                    let path = format!("/api/v1/users?sort={sort}&pageSize={size}&page={number}{query}");
                    let answer = client.get(&path).await;
                    assert_eq!(answer.body["pagination"]["totalCount"], ids.len(), "{answer}");
                    let users = answer.body["data"].as_array().expect("a list").clone();
                    users
                        .into_iter()
                        .map(|user| user["publicId"].as_str().expect("an id").to_owned())
                        .collect::<Vec<_>>()
                };
                for (sort, all) in [("createdAt_asc", &ids), ("createdAt_desc", &newest_first)] {
                    for number in 1..=all.len().div_ceil(size) + 1 {
                        let from = ((number - 1) * size).min(all.len());
                        let expected = &all[from..(from + size).min(all.len())];
                        assert_eq!(page(sort, number).await, expected, "{sort} {size} {number} {query}");
                    }
                }
            }
        }
    }
    assert_eq!(issues(&admin.get("/api/v1/users?page=0").await).lines().count(), 1);
}
