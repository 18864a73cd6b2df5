//! `GET /api/v1/users?search=…`

use hyper::StatusCode;
use serde_json::{Value, json};

use super::issues;
use crate::roster::{Client, Roster};

/// The first names found, in creation order.
async fn found(client: &Client<'_>, search: &str) -> String {
    let query: String = form(search);
    let answer = client.get(&format!("/api/v1/users?sort=createdAt_asc&pageSize=100&search={query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let data = answer.body["data"].as_array().expect("a list");
    assert_eq!(answer.body["pagination"]["totalCount"], data.len());
    data.iter().map(|user| user["firstName"].as_str().expect("a name")).collect::<Vec<_>>().join(" ")
}

fn form(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

async fn people<'a>(roster: &'a Roster) -> Client<'a> {
    let admin = roster.admin().await;
    for (first, last, email, phone) in [
        ("Ann", "Lee", Some("ann.lee@example.com"), Some("+1 (415) 555-0123")),
        ("Zoë", "O'Brien", Some("zoe@clinic.example.com"), Some("212-555-0199")),
        ("100%", "Under_score", None, None),
        ("ΟΔΥΣΣΕΥΣ", "Straße", None, Some("☎ none")),
        ("Bo", "Ng", Some("x@annex.org"), Some("2 1 2 5 5 5")),
        ("李", "小龙", None, Some("")),
    ] {
        let mut body = json!({ "firstName": first, "lastName": last });
        if let Some(email) = email {
            body["email"] = json!(email);
        }
        if let Some(phone) = phone {
            body["phoneNumber"] = json!(phone);
        }
        admin.create(body).await;
    }
    admin
}

#[tokio::test]
async fn every_term_must_occur_in_a_name_or_the_email() {
    let roster = Roster::new();
    let admin = people(&roster).await;
    for (search, expected) in [
        ("ann", "Ann Bo"),
        ("ANN", "Ann Bo"),
        ("lee", "Ann"),
        ("nn", "Ann Bo"),
        ("ann lee", "Ann"),
        ("lee ann", "Ann"),
        ("lee bo", ""),
        ("  lee \t\u{a0}\u{3000}ann\n", "Ann"),
        ("annlee", ""),
        ("ann.lee@example.com", "Ann"),
        ("example.com", "Ann Zoë"),
        ("example.com zoë", "Zoë"),
        ("o'b", "Zoë"),
        ("zzz", ""),
    ] {
        assert_eq!(found(&admin, search).await, expected, "{search:?}");
    }
}

#[tokio::test]
async fn terms_of_one_and_two_letters_are_right_too() {
    let roster = Roster::new();
    let admin = people(&roster).await;
    for (search, expected) in [
        ("z", "Zoë"),
        ("Z", "Zoë"),
        ("ng", "Bo"),
        ("bo", "Bo"),
        ("%", "100%"),
        ("_", "100%"),
        ("0%", "100%"),
        ("1%0", ""),
        ("a_n", ""),
        ("*", ""),
        ("\\", ""),
        ("'", "Ann Zoë 100% ΟΔΥΣΣΕΥΣ Bo 李"), // folded, it is no term
        ("\"", ""),
        ("李", "李"),
        ("小", "李"),
        ("小龙 李", "李"),
        ("oë", "Zoë"),
        ("OË", "Zoë"),
    ] {
        assert_eq!(found(&admin, search).await, expected, "{search:?}");
    }
}

#[tokio::test]
async fn case_is_ignored_in_every_script() {
    let roster = Roster::new();
    let admin = people(&roster).await;
    for (search, expected) in [
        ("zoË", "Zoë"),
        ("zoe", "Zoë"),
        ("zoe o'brien", "Zoë"),
        ("οδυσσευς", "ΟΔΥΣΣΕΥΣ"),
        ("οδυσσευσ", "ΟΔΥΣΣΕΥΣ"),
        ("ΕΥΣ", "ΟΔΥΣΣΕΥΣ"),
        ("straße", "ΟΔΥΣΣΕΥΣ"),
        ("strasse", "ΟΔΥΣΣΕΥΣ"),
    ] {
        assert_eq!(found(&admin, search).await, expected, "{search:?}");
    }
}

#[tokio::test]
async fn a_name_is_found_however_it_was_typed() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let everybody = [
        ("José", "García-Möschl"),
        ("Rene\u{301}e", "Zoe\u{308}"),
        ("Renée", "Doe"),
        ("Conan", "O’Brien"),
        ("Anna", "Groß"),
        ("Can", "İstanbul"),
        ("Anne-Marie", "Lee"),
        ("Anne‑Marie", "Low"),
        ("ﬁnn", "Ｌａｎｇ"),
    ];
    for (first, last) in everybody {
        admin.create(json!({ "firstName": first, "lastName": last })).await;
    }
    for (searches, expected) in [
        (&["Jose", "garcia", "Moschl", "GARCÍA-MÖSCHL", "garciamoschl", "garci\u{301}a"][..], "José"),
        (&["Zoë", "zoe", "ZOË"], "Rene\u{301}e"),
        (&["Renée", "Rene\u{301}e", "renee", "RENÉE"], "Rene\u{301}e Renée"),
        (&["O'Brien", "obrien", "O’Brien", "O`BRIEN", "o´brien"], "Conan"),
        (&["gross", "GROSS", "GROẞ", "groß"], "Anna"),
        (&["istanbul", "İSTANBUL", "ISTANBUL", "ıstanbul"], "Can"),
        (&["Anne-Marie", "annemarie", "Anne‑Marie", "anne–marie", "anne - marie"], "Anne-Marie Anne‑Marie"),
        (&["finn", "lang"], "ﬁnn"),
    ] {
        for search in searches {
            assert_eq!(found(&admin, search).await, expected, "{search:?}");
        }
    }
    // A name is shown as it was given.
    let listed = admin.get("/api/v1/users?sort=createdAt_asc&pageSize=2").await;
    assert_eq!(listed.body["data"][1]["lastName"], "Zoe\u{308}");
}

#[tokio::test]
async fn a_phone_is_found_by_its_digits() {
    let roster = Roster::new();
    let admin = people(&roster).await;
    for (search, expected) in [
        ("4155550123", "Ann"),
        ("14155550123", "Ann"),
        ("415-555-0123", "Ann"),
        ("+1 (415) 555-0123", "Ann"),
        ("(415)", "Ann"),
        ("5550", "Ann Zoë"),
        ("212555", "Zoë Bo"),
        ("212.555", "Zoë Bo"),
        ("0123 lee", "Ann"),
        ("0123 zoë", ""),
        ("415 212", ""),
        ("+4155550124", ""),
        ("9", "Zoë"),
        ("00", "100%"),
        ("()", ""),
        ("☎", ""),
    ] {
        assert_eq!(found(&admin, search).await, expected, "{search:?}");
    }
}

#[tokio::test]
async fn a_public_id_is_found_whole() {
    let roster = Roster::new();
    let admin = people(&roster).await;
    let first = admin.get("/api/v1/users?sort=createdAt_asc").await;
    let id = first.body["data"][1]["publicId"].as_str().expect("an id").to_owned();
    assert_eq!(found(&admin, &id).await, "Zoë");
    assert_eq!(found(&admin, &id.to_uppercase()).await, "Zoë");
    assert_eq!(found(&admin, &format!("{id} brien")).await, "Zoë");
    assert_eq!(found(&admin, &format!("{id} ann")).await, "");
    for part in [&id[..id.len() - 1], &id[4..], "usr_", "usr_0000000000_000000000"] {
        assert_eq!(found(&admin, part).await, "", "{part}");
    }
    // An id that stands in a name is a text like any other.
    let namesake = admin.create(json!({ "firstName": "Namesake", "lastName": id })).await;
    assert_eq!(found(&admin, &id).await, "Zoë Namesake");
    assert_eq!(found(&admin, &namesake).await, "Namesake");
}

#[tokio::test]
async fn white_space_alone_finds_everybody() {
    let roster = Roster::new();
    let admin = people(&roster).await;
    let everybody = found(&admin, "").await;
    assert_eq!(everybody.split(' ').count(), 6);
    for search in [" ", "\t\n", "\u{3000}\u{feff}"] {
        assert_eq!(found(&admin, search).await, everybody);
    }
}

#[tokio::test]
async fn a_search_has_at_most_200_units_and_no_control_characters() {
    let roster = Roster::new();
    let admin = people(&roster).await;
    assert_eq!(found(&admin, &"a".repeat(200)).await, "");
    assert_eq!(found(&admin, &"oë ".repeat(66)).await, "Zoë");
    for (search, said) in [
        ("a".repeat(201), "too_big search: String must contain at most 200 character(s)"),
        ("👍".repeat(101), "too_big search: String must contain at most 200 character(s)"),
        ("a\0b".into(), "custom search: Control characters are not allowed"),
        ("a\u{7f}".into(), "custom search: Control characters are not allowed"),
    ] {
        let answer = admin.get(&format!("/api/v1/users?search={}", form(&search))).await;
        assert_eq!(issues(&answer), said, "{search:?}");
    }
    // Bytes that are no UTF-8 are read as U+FFFD, which nobody is called.
    let answer = admin.get("/api/v1/users?search=%FF%FE").await;
    assert_eq!((answer.status, &answer.body["data"]), (StatusCode::OK, &Value::Array(Vec::new())));
}
