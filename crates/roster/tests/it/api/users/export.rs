//! `GET /api/v1/users/export`

use std::collections::BTreeSet;

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use super::{issues, of, patched};
use crate::roster::{Client, NOW, Roster};

const EXPORT: &str = "/api/v1/users/export";

/// The users of an export, a line each.
async fn lines(client: &Client<'_>, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("{EXPORT}?format=ndjson&{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {answer}");
    assert!(answer.text.is_empty() || answer.text.ends_with('\n'));
    answer.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The whole users of a list, page by page.
async fn listed(client: &Client<'_>, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for page in 1.. {
        let answer = client.get(&format!("/api/v1/users?view=full&pageSize=7&page={page}&{query}")).await;
        let some = answer.body["data"].as_array().expect("users");
        if some.is_empty() {
            break;
        }
        all.extend(some.iter().cloned());
    }
    all
}

fn ids(users: &[Value]) -> Vec<&str> {
    users.iter().map(|user| user["publicId"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn an_export_is_what_the_list_shows_under_every_filter() {
    let roster = Roster::new();
    let org = roster.organization("Clinic").await;
    let admin = org.key(Role::Admin).await;
    let payors = [org.payor("Aetna").await, org.payor("Cigna").await];
    let other = roster.organization("Elsewhere").await.key(Role::Admin).await;
    let mut users = Vec::new();
    for nth in 0..40 {
        roster.set_clock(NOW + nth * 1_000);
        let role = ["TECHNICIAN", "CLINICIAN", "PATIENT"][nth as usize % 3];
        let (last, email) = (format!("Lee {nth}"), format!("lee{nth}@example.com"));
        let body = json!({
            "firstName": "Ann", "lastName": last, "email": email, "role": role, "providerPayors": payors,
            "metadata": { "nth": nth.to_string() }
        });
        users.push(admin.create(body.clone()).await);
        other.create(body).await;
    }
    for nth in [30, 3, 17, 8] {
        roster.set_clock(NOW + 100_000 - nth as i64);
        patched(&admin, &users[nth], json!({ "city": "Riverbend", "role": "CAREGIVER" })).await;
    }
    for nth in [5, 17] {
        admin.act(&format!("{}/deactivate", of(&users[nth]))).await;
    }
    // The e-mail is somebody else's since.
    admin.create(json!({ "firstName": "Bo", "lastName": "Roe", "email": "lee5@example.com" })).await;
    let queries = [
        "",
        "status=ALL",
        "status=DEACTIVATED",
        "role=CLINICIAN",
        "role=CAREGIVER&status=ALL",
        "role=HIPP_ADMIN&status=ALL",
        "search=lee+3",
        "search=an",
        "search=nobody",
        "search=lee&role=PATIENT&sort=createdAt_asc",
        "search=lee&sort=updatedAt_asc&status=ALL",
        "email=LEE5@example.com",
        "email=LEE5@example.com&status=ALL&sort=createdAt_asc",
        "email=lee5@example.com&status=ALL&search=bo",
        "sort=createdAt_asc",
        "sort=updatedAt_desc&status=ALL",
        "sort=updatedAt_asc,createdAt_desc&role=CAREGIVER",
    ];
    for query in queries {
        let expected = listed(&admin, query).await;
        assert_eq!(lines(&admin, query).await, expected, "{query}");
        let csv = admin.get(&format!("{EXPORT}?{query}")).await.text;
        let firsts: Vec<&str> = csv.lines().skip(1).map(|line| &line[..line.find(',').expect("a cell")]).collect();
        assert_eq!(firsts, ids(&expected), "{query}");
    }
    assert_eq!(listed(&admin, "status=ALL").await.len(), 41);
}

#[tokio::test]
async fn a_key_exports_those_whom_it_may_read_and_nobody_else() {
    let roster = Roster::new();
    let org = roster.organization("Clinic").await;
    for role in Role::ALL {
        org.user("Ann", &role.to_string(), role).await;
    }
    for role in Role::ALL {
        let key = org.key(role).await;
        let may_read = role.may_read();
        if may_read.is_empty() {
            let answer = key.get(&format!("{EXPORT}?format=pdf")).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{role}: {answer}");
            continue;
        }
        let exported = lines(&key, "status=ALL").await;
        let roles: BTreeSet<&str> = exported.iter().map(|user| user["role"].as_str().expect("a role")).collect();
        assert_eq!(roles, may_read.iter().map(Role::as_str).collect(), "{role}");
        assert!(!roles.contains("HIPP_ADMIN"));
        for format in ["csv", "ndjson"] {
            let hidden = key.get(&format!("{EXPORT}?format={format}&role=HIPP_ADMIN")).await;
            assert!(hidden.status == StatusCode::OK && !hidden.text.contains("usr_"), "{role}: {hidden}");
        }
    }
    let clinician = org.key(Role::Clinician).await;
    assert_eq!(lines(&clinician, "").await.len(), 4);
    assert_eq!(lines(&clinician, "role=ADMIN").await.len(), 0);
    assert_eq!(lines(&clinician, "search=ADMIN&status=ALL").await.len(), 0);
}

#[tokio::test]
async fn a_csv_is_a_file_whose_cells_are_no_formulas() {
    let roster = Roster::new();
    let org = roster.organization("Clinic").await;
    let (admin, payor) = (org.key(Role::Admin).await, org.payor("Aetna").await);
    let id = admin
        .create(json!({
            "firstName": "=1+1", "lastName": "O\"Brien, Jr", "email": "+ann@example.com", "role": "CLINICIAN",
            "phoneNumber": "+14155550100", "npiNumber": "0123456789", "shouldSendSMS": false,
            "recertificationDate": "2027-03-15T23:00:00-05:00", "providerPayors": [payor, org.payor("Cigna").await],
            "birthDate": "1899-12-31", "postalCode": "02134", "externalId": "007", "metadata": { "team": "red" }
        }))
        .await;
    let answer = admin.get(EXPORT).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(answer.header("content-disposition"), r#"attachment; filename="users-2025-01-15.csv""#);
    assert_eq!(answer.header("content-length"), answer.text.len().to_string());
    assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
    let shown = answer.text.replace(&id, "USR").replace("\r\n", "<CRLF>\n");
    assert_snapshot!(shown, @r#"
    publicId,firstName,lastName,email,role,status,phoneNumber,npiNumber,shouldSendSMS,recertificationDate,providerPayors,sex,caregiverId,birthDate,addressLine1,addressLine2,city,state,postalCode,externalId,createdAt,updatedAt,deactivatedAt<CRLF>
    USR,'=1+1,"O""Brien, Jr",'+ann@example.com,CLINICIAN,ACTIVE,'+14155550100,0123456789,false,2027-03-15T23:00:00.000-05:00,pay_500000000000; pay_600000000000,,,1899-12-31,,,,,02134,007,2025-01-15T10:30:00.000Z,2025-01-15T10:30:00.000Z,<CRLF>
    "#);

    let answer = admin.get(&format!("{EXPORT}?format=xlsx")).await;
    let workbook = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    assert_eq!(answer.header("content-type"), workbook);
    assert_eq!(answer.header("content-disposition"), r#"attachment; filename="users-2025-01-15.xlsx""#);
    assert!(answer.text.starts_with("PK"));

    let answer = admin.get(&format!("{EXPORT}?format=ndjson")).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(answer.header("content-disposition"), r#"attachment; filename="users-2025-01-15.ndjson""#);
    assert_eq!(answer.body, admin.get(&format!("{}?view=full", of(&id))).await.body);
}

#[tokio::test]
async fn what_is_wrong_with_the_question_is_said_and_what_is_no_part_of_it_is_named() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let wrong = "format=pdf&search=%00&role=KING&status=GONE&email=%00&sort=name";
    assert_snapshot!(issues(&admin.get(&format!("{EXPORT}?{wrong}")).await), @"
    invalid_enum_value format: Invalid enum value. Expected 'csv' | 'xlsx' | 'ndjson', received 'pdf'
    custom search: Control characters are not allowed
    invalid_enum_value role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'HIPP_ADMIN' | 'HIPP_BILLING_MANAGER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN' | 'CLINICAL_SUPERADMIN', received 'KING'
    invalid_enum_value status: Invalid enum value. Expected 'ACTIVE' | 'DEACTIVATED' | 'ALL', received 'GONE'
    custom email: Control characters are not allowed
    invalid_string sort: Invalid
    ");
    let answer = admin.get(&format!("{EXPORT}?page=2&cursor=x&view=full")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let warning = r#"unknown-parameter;name="page", unknown-parameter;name="cursor", unknown-parameter;name="view""#;
    assert_eq!(answer.header("roster-warning"), warning);
    assert_eq!(answer.text.lines().count(), 1, "a header without anybody");
}

/// One changes the first and then the last of many users, again and again, while others are created. An export that were
/// read at more than one moment would have the last one as it was after the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_as_of_one_moment_whatever_is_written_meanwhile() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut users = Vec::new();
    for nth in 0..600 {
        users.push(admin.create(json!({ "firstName": "Ann", "lastName": format!("{nth}"), "city": "0" })).await);
    }
    let writes = async {
        for round in 1..=60 {
            for id in [&users[0], &users[599]] {
                patched(&admin, id, json!({ "city": round.to_string() })).await;
            }
            admin.create(json!({ "firstName": "New", "lastName": format!("{round}"), "city": "0" })).await;
        }
    };
    let exports = async {
        let mut seen = 0;
        loop {
            let exported = lines(&admin, "sort=createdAt_asc").await;
            let round =
                |nth: usize| exported[nth]["city"].as_str().expect("a city").parse::<usize>().expect("a number");
            let (first, last, created) = (round(0), round(599), exported.len() - 600);
            assert!(last <= first && first <= last + 1, "{first} {last}");
            assert!(created <= last && last <= created + 1, "{last} {created}");
            assert_eq!(ids(&exported[..600]), users, "each once, in order");
            assert!(created >= seen, "nobody is gone");
            seen = created;
            if created == 60 {
                break;
            }
        }
    };
    tokio::join!(writes, exports);
}
