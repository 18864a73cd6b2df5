//! What each field of a create may be.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::UserId;
use serde_json::json;

use super::{USERS, john, wrong};
use crate::{
    api::{together, users::issues},
    roster::Roster,
};

#[tokio::test]
async fn names_are_trimmed_as_javascript_trims() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for (given, kept) in [
        ("John", "John"),
        ("  John\t\r\n", "John"),
        ("\u{feff}\u{a0}\u{2003}John\u{2028}\u{2029}\u{3000}\u{b}\u{c}", "John"),
        (" Mary  Ann ", "Mary  Ann"),
        ("O'Brien-Søndergård", "O'Brien-Søndergård"),
        ("李", "李"),
        // Neither is white space to JavaScript.
        ("\u{200b}John\u{180e}", "\u{200b}John\u{180e}"),
    ] {
        let answer = admin.post(USERS, json!({ "firstName": given, "lastName": given })).await;
        assert_eq!(answer.status, StatusCode::OK, "{given:?}: {answer}");
        assert_eq!(answer.body["user"]["firstName"], kept, "{given:?}");
        assert_eq!(answer.body["user"]["lastName"], kept, "{given:?}");
    }
}

#[tokio::test]
async fn a_blank_name_is_too_small() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for blank in ["", " ", "\t\n", "\u{feff}", "\u{a0}\u{3000}"] {
        let said = wrong(&admin, json!({ "firstName": blank, "lastName": blank })).await;
        let at_least = "String must contain at least 1 character(s)";
        assert_eq!(said, format!("too_small firstName: {at_least}\ntoo_small lastName: {at_least}"), "{blank:?}");
    }
}

#[tokio::test]
async fn a_name_has_at_most_a_hundred_utf16_units() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for (given, fits) in [
        ("x".repeat(100), true),
        ("x".repeat(101), false),
        (format!(" {} ", "x".repeat(100)), true),
        ("é".repeat(100), true),
        ("é".repeat(101), false),
        ("👍".repeat(50), true),
        ("👍".repeat(50) + "x", false),
        ("x".repeat(60_000), false),
    ] {
        let answer = admin.post(USERS, json!({ "firstName": "John", "lastName": given })).await;
        if fits {
            assert_eq!(answer.status, StatusCode::OK, "{given}: {answer}");
            assert_eq!(answer.body["user"]["lastName"], given.trim());
        } else {
            assert_eq!(issues(&answer), "too_big lastName: String must contain at most 100 character(s)", "{given}");
        }
    }
}

#[tokio::test]
async fn an_email_must_have_the_form_zod_asks_for() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for email in ["a@b.co", "A_B+c-d'e@x-y.z9.museum", "_@example.org", "Jane.Smith@EXAMPLE.com"] {
        let answer = admin.post(USERS, john(json!({ "email": email }))).await;
        assert_eq!(answer.status, StatusCode::OK, "{email}: {answer}");
        assert_eq!(answer.body["user"]["email"], email, "it is kept as it was given");
    }
    for email in [
        "",
        " ",
        "john",
        "john@",
        "@example.com",
        "john@example",
        "john@example.c",
        "john@@example.com",
        "john doe@example.com",
        ".john@example.com",
        "john.@example.com",
        "jo..hn@example.com",
        "john@-example.com",
        "john@exa_mple.com",
        "john@example..com",
        " john@example.com",
        "john@example.com ",
        "john@example.com\n",
        "john@example.com\0",
        "jöhn@example.com",
        "john@exämple.com",
        "\"john\"@example.com",
        "John <john@example.com>",
    ] {
        let said = wrong(&admin, json!({ "email": email })).await;
        assert_eq!(said, "invalid_string email: Valid email is required", "{email:?}");
    }
}

#[tokio::test]
async fn an_email_has_at_most_254_characters() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let of_length = |length: usize| format!("{}@example.com", "a".repeat(length - "@example.com".len()));
    assert_eq!(admin.post(USERS, john(json!({ "email": of_length(254) }))).await.status, StatusCode::OK);
    let said = wrong(&admin, json!({ "email": of_length(255) })).await;
    assert_eq!(said, "too_big email: String must contain at most 254 character(s)");
    let said = wrong(&admin, json!({ "email": "é".repeat(255) })).await;
    assert_snapshot!(said, @"
    invalid_string email: Valid email is required
    too_big email: String must contain at most 254 character(s)
    ");
}

#[tokio::test]
async fn create_refuses_a_taken_email() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    admin.create(john(json!({ "email": "John.Doe@example.com" }))).await;
    for email in ["John.Doe@example.com", "john.doe@EXAMPLE.COM", "JOHN.DOE@EXAMPLE.COM"] {
        let said = wrong(&admin, json!({ "email": email, "role": "PATIENT" })).await;
        assert_eq!(said, "custom email: Email is already in use", "{email}");
    }
    // Whoever has no e-mail has none in common with anybody.
    admin.create(john(json!({}))).await;
    admin.create(john(json!({}))).await;
    // Dots and tags make somebody else.
    admin.create(john(json!({ "email": "johndoe@example.com" }))).await;
    admin.create(john(json!({ "email": "john.doe+1@example.com" }))).await;
}

#[tokio::test]
async fn an_email_is_free_in_another_organization() {
    let roster = Roster::new();
    let (here, there) = (roster.admin().await, roster.admin().await);
    here.create(john(json!({ "email": "john.doe@example.com" }))).await;
    there.create(john(json!({ "email": "john.doe@example.com" }))).await;
    for client in [here, there] {
        let said = wrong(&client, json!({ "email": "john.doe@example.com" })).await;
        assert_eq!(said, "custom email: Email is already in use");
    }
}

#[tokio::test]
async fn of_many_who_race_for_an_email_one_gets_it() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let racers = (0..64).map(|n| {
        let email = if n % 2 == 0 { "one@example.com" } else { "ONE@example.com" };
        let body = john(json!({ "email": email, "lastName": format!("Racer {n}") }));
        let admin = &admin;
        async move { admin.post(USERS, body).await }
    });
    let answers = together::all(racers).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((won.len(), lost.len()), (1, 63));
    for answer in lost {
        assert_eq!(issues(answer), "custom email: Email is already in use");
    }
    let list = admin.get(USERS).await;
    assert_eq!(list.body["pagination"]["totalCount"], 1);
    assert_eq!(list.body["data"][0]["publicId"], won[0].body["user"]["publicId"]);
}

#[tokio::test]
async fn phone_and_npi_are_kept_whatever_they_are() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for text in [" +1 (415) 555-0123 ext. 7 ", "ask at the desk", "☎️ 4155550123", &"9".repeat(64)] {
        let answer = admin.post(USERS, john(json!({ "phoneNumber": text, "npiNumber": text }))).await;
        assert_eq!(answer.status, StatusCode::OK, "{text:?}: {answer}");
        assert_eq!(answer.body["user"]["phoneNumber"], *text);
        assert_eq!(answer.body["user"]["npiNumber"], *text);
    }
    let said = wrong(&admin, json!({ "phoneNumber": "9".repeat(65), "npiNumber": "☎️".repeat(33) })).await;
    assert_snapshot!(said, @"
    too_big phoneNumber: String must contain at most 64 character(s)
    too_big npiNumber: String must contain at most 64 character(s)
    ");
}

#[tokio::test]
async fn a_phone_or_npi_that_looks_wrong_is_warned_of() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut said = Vec::new();
    for (phone, npi) in [
        ("+14155550123", "1234567893"),
        ("(415) 555-0123", "2234567891"),
        ("+1234567890", "1234567893"),
        ("+14155550123", "1234567890"),
        ("+1234567890", "1234567890"),
        ("☎️", "١٢٣٤٥٦٧٨٩٣"),
    ] {
        let answer = admin.post(USERS, john(json!({ "phoneNumber": phone, "npiNumber": npi }))).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        said.push(format!("{phone} {npi}: {}.", answer.header("roster-warning")));
    }
    assert_snapshot!(said.join("\n"), @"
    +14155550123 1234567893: .
    (415) 555-0123 2234567891: .
    +1234567890 1234567893: phone-unreachable.
    +14155550123 1234567890: npi-check-digit.
    +1234567890 1234567890: npi-check-digit, phone-unreachable.
    ☎️ ١٢٣٤٥٦٧٨٩٣: npi-check-digit, phone-unreachable.
    ");
}

#[tokio::test]
async fn should_send_sms_is_true_or_false() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for value in [true, false] {
        let answer = admin.post(USERS, john(json!({ "shouldSendSMS": value }))).await;
        assert_eq!(answer.body["user"]["shouldSendSMS"], value);
    }
    let mut said = Vec::new();
    for value in [json!("true"), json!(1), json!(0), json!([]), json!({})] {
        said.push(wrong(&admin, json!({ "shouldSendSMS": value })).await);
    }
    assert_snapshot!(said.join("\n"), @"
    invalid_type shouldSendSMS: Expected boolean, received string
    invalid_type shouldSendSMS: Expected boolean, received number
    invalid_type shouldSendSMS: Expected boolean, received number
    invalid_type shouldSendSMS: Expected boolean, received array
    invalid_type shouldSendSMS: Expected boolean, received object
    ");
}

#[tokio::test]
async fn a_recertification_date_is_kept_as_the_instant_given() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for (given, instant, day) in [
        ("2025-01-15T00:00:00Z", "2025-01-15T00:00:00.000Z", "2025-01-15"),
        ("2025-01-15T23:30:00-05:00", "2025-01-16T04:30:00.000Z", "2025-01-15"),
        ("2025-01-15T00:30:00+0530", "2025-01-14T19:00:00.000Z", "2025-01-15"),
        ("2024-02-29T12:00Z", "2024-02-29T12:00:00.000Z", "2024-02-29"),
        ("2025-01-15T00:00:00.123456789Z", "2025-01-15T00:00:00.123Z", "2025-01-15"),
    ] {
        let id = admin.create(john(json!({ "recertificationDate": given }))).await;
        let id = UserId::parse(&id).expect("an id");
        let stored = roster.app().store().user(admin.organization_id(), id).await.expect("a read").expect("the user");
        let kept = stored.recertification.expect("a date");
        assert_eq!((kept.at().to_string(), kept.day().to_string()), (instant.into(), day.into()), "{given}");
    }
    for given in [
        "",
        "2025-01-15",
        "2025-01-15T00:00:00",
        "2025-01-15 00:00:00Z",
        "2025-01-15t00:00:00z",
        "2025-02-29T00:00:00Z",
        "2025-04-31T00:00:00Z",
        "2025-01-15T24:00:00Z",
        "2025-01-15T00:00:60Z",
        " 2025-01-15T00:00:00Z",
        "2025-01-15T00:00:00Z\n",
        "Wed, 15 Jan 2025 00:00:00 GMT",
        "1736899200",
    ] {
        let said = wrong(&admin, json!({ "recertificationDate": given })).await;
        assert_eq!(said, "invalid_string recertificationDate: Invalid datetime", "{given:?}");
    }
}

#[tokio::test]
async fn a_blank_phone_or_npi_is_none_at_all() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for blank in ["", "  ", "\u{a0}\t"] {
        let body = json!({
            "firstName": "Ann", "lastName": "Lee", "phoneNumber": blank, "npiNumber": blank, "shouldSendSMS": true
        });
        let answer = admin.post("/api/v1/users", body).await;
        assert_eq!(answer.status, 200, "{answer}");
        assert_eq!(
            (&answer.body["user"]["phoneNumber"], &answer.body["user"]["npiNumber"]),
            (&json!(null), &json!(null))
        );
        assert_eq!(answer.header("roster-warning"), "");
    }
    let store = roster.app().store();
    let entries = store.audit(admin.organization_id(), 1).await.expect("entries");
    assert_eq!(entries[0].fields, "firstName,lastName,role,shouldSendSMS");
}
