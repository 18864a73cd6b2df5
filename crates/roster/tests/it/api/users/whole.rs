//! `view=full`: the whole user, by id and in lists.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::json;

use super::{issues, keys, of, patched, whole};
use crate::roster::{NOW, Roster};

const KEYS: [&str; 27] = [
    "publicId",
    "firstName",
    "lastName",
    "email",
    "role",
    "status",
    "phoneNumber",
    "npiNumber",
    "npiStatus",
    "shouldSendSMS",
    "recertificationDate",
    "providerPayors",
    "sex",
    "caregiverId",
    "birthDate",
    "addressLine1",
    "addressLine2",
    "city",
    "state",
    "postalCode",
    "externalId",
    "metadata",
    "createdAt",
    "updatedAt",
    "deactivatedAt",
    "deactivationReason",
    "organization",
];

/// The names of an object's members, in the order in which they were sent.
fn in_order(text: &str) -> Vec<String> {
    let mut names: Vec<(usize, &str)> = Vec::new();
    for name in KEYS {
        names.push((text.find(&format!("\"{name}\":")).expect("it is there"), name));
    }
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name.to_owned()).collect()
}

#[tokio::test]
async fn what_create_took_is_shown_with_all_keys_in_order() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let caregiver = org.user("Ada", "Doe", Role::Caregiver).await;
    let payor = org.payor("Example Health").await;
    let body = json!({
        "firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "role": "PATIENT",
        "phoneNumber": "+14155550123", "npiNumber": "1234567893", "shouldSendSMS": true,
        "recertificationDate": "2025-01-15T23:30:00-05:00", "providerPayors": [payor],
        "sex": "F", "caregiverId": caregiver, "birthDate": "2019-02-28", "addressLine1": "1 Example Street",
        "addressLine2": "Apartment 2", "city": "Springfield", "state": "IL", "postalCode": "62701",
        "externalId": "HR-1", "metadata": { "team": "north", "badge": "7" }
    });
    let id = admin.create(body).await;
    let answer = whole(&admin, &id).await;
    assert_eq!(in_order(&answer.text), KEYS);
    assert_eq!(keys(&answer.body).len(), 27);
    let text = answer.text.replace(&id, "USR").replace(&caregiver, "CAREGIVER").replace(&payor, "PAYOR");
    assert_snapshot!(text, @r#"{"publicId":"USR","firstName":"Jane","lastName":"Smith","email":"jane@example.com","role":"PATIENT","status":"ACTIVE","phoneNumber":"+14155550123","npiNumber":"1234567893","npiStatus":"VALID","shouldSendSMS":true,"recertificationDate":"2025-01-15T23:30:00.000-05:00","providerPayors":["PAYOR"],"sex":"F","caregiverId":"CAREGIVER","birthDate":"2019-02-28","addressLine1":"1 Example Street","addressLine2":"Apartment 2","city":"Springfield","state":"IL","postalCode":"62701","externalId":"HR-1","metadata":{"badge":"7","team":"north"},"createdAt":"2025-01-15T10:30:00.000Z","updatedAt":"2025-01-15T10:30:00.000Z","deactivatedAt":null,"deactivationReason":null,"organization":{"name":"Example Organization","publicId":"org_100000000000"}}"#);
    // The documented shapes do not change.
    assert_eq!(keys(&admin.get(&of(&id)).await.body).len(), 12);
    assert_eq!(keys(&admin.get("/api/v1/users").await.body["data"][0]).len(), 12);
}

#[tokio::test]
async fn a_list_shows_the_same_as_get_by_id_also_in_other_processes() {
    let roster = Roster::new();
    let beside = roster.again();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let payor = org.payor("Example Health").await;
    let mut ids = Vec::new();
    for nth in 0..5 {
        let email = format!("jane{nth}@example.com");
        let body = json!({ "firstName": "Jane", "lastName": "Doe", "email": email, "providerPayors": [payor] });
        ids.push(admin.create(body).await);
    }
    for round in 0..3 {
        roster.set_clock(NOW + round * 1_000);
        let writer = if round % 2 == 0 { admin.clone() } else { admin.at(&beside) };
        let body = json!({ "city": format!("City {round}"), "email": format!("round{round}@example.com"), "metadata": { "round": round.to_string() } });
        patched(&writer, &ids[1], body).await;
        let payors = if round % 2 == 0 { json!([]) } else { json!([payor]) };
        patched(&writer, &ids[3], json!({ "providerPayors": payors, "lastName": format!("Lee{round}") })).await;
        for client in [&admin, &admin.at(&beside)] {
            let (mut one_by_one, mut read_shapes) = (Vec::new(), Vec::new());
            for id in &ids {
                let user = whole(client, id).await.body;
                let read = client.get(&of(id)).await.body;
                for key in keys(&read) {
                    assert_eq!(read[key], user[key], "{key}");
                }
                one_by_one.push(user);
                read_shapes.push(read);
            }
            let list = client.get("/api/v1/users?sort=createdAt_asc").await;
            assert_eq!(list.body["data"], json!(read_shapes));
            for query in ["", "&search=jane"] {
                let list = client.get(&format!("/api/v1/users?view=full&sort=createdAt_asc{query}")).await;
                assert_eq!(list.body["data"], json!(one_by_one), "{query}");
                assert_eq!(in_order(&list.text), KEYS);
                assert_eq!(keys(&list.body), ["data", "pagination"]);
            }
            let list = client.get(&format!("/api/v1/users?view=full&email=ROUND{round}@example.com")).await;
            assert_eq!(list.body["data"], json!([one_by_one[1]]));
            let list = client.get(&format!("/api/v1/users?search=lee{round}")).await;
            assert_eq!(list.body["data"][0]["publicId"], ids[3].as_str());
            if round > 0 {
                for old in [
                    format!("search=lee{}", round - 1),
                    format!("email=round{}@example.com", round - 1),
                    "search=jane1@example".into(),
                ] {
                    assert_eq!(client.get(&format!("/api/v1/users?{old}")).await.body["data"], json!([]), "{old}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_of_whole_users_goes_on_as_any_other() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for _ in 0..5 {
        admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    }
    let answer = admin.get("/api/v1/users?view=full&pageSize=2").await;
    assert!(answer.header("link").contains("view=full"), "{}", answer.header("link"));
    assert_eq!(answer.body["data"].as_array().expect("a list").len(), 2);
    let said = "invalid_enum_value view: Invalid enum value. Expected 'full', received 'all'";
    assert_eq!(issues(&admin.get("/api/v1/users?view=all").await), said);
    let id = answer.body["data"][0]["publicId"].as_str().expect("an id");
    assert_eq!(issues(&admin.get(&format!("{}?view=all", of(id))).await), said);
    assert_eq!(
        admin.get(&format!("{}?view=full&x=1", of(id))).await.header("roster-warning"),
        "unknown-parameter;name=\"x\""
    );
}

#[tokio::test]
async fn whom_a_key_may_not_read_it_may_not_read_whole() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let id = org.user("Ann", "Lee", Role::SchedulingManager).await;
    let path = format!("{}?view=full", of(&id));
    assert_eq!(org.key(Role::Admin).await.get(&path).await.status, StatusCode::OK);
    assert_eq!(org.key(Role::Clinician).await.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(org.key(Role::Patient).await.get(&path).await.status, StatusCode::FORBIDDEN);
    let list = org.key(Role::Clinician).await.get("/api/v1/users?view=full&status=ALL").await;
    assert_eq!(list.body["data"], json!([]));
}
