//! JSON and the text in it: what JavaScript would read, and what no engine could store.

use hyper::StatusCode;
use insta::assert_snapshot;
use serde_json::json;

use super::{USERS, john, wrong};
use crate::{api::users::issues, roster::Roster};

const NOT_JSON: &str = "custom : Request body is not valid JSON";

#[tokio::test]
async fn of_a_key_that_stands_twice_the_last_counts() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let twice = r#"{"firstName":"A","lastName":"B","firstName":7,"email":"no","lastName":"C","email":"c@example.com",
                    "first\u004eame":"D"}"#;
    let answer = admin.post_bytes(USERS, twice).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let user = &answer.body["user"];
    assert_eq!([&user["firstName"], &user["lastName"], &user["email"]], ["D", "C", "c@example.com"]);

    let answer = admin.post_bytes(USERS, r#"{"firstName":"A","lastName":"B","firstName":7}"#).await;
    assert_eq!(issues(&answer), "invalid_type firstName: Expected string, received number");
}

#[tokio::test]
async fn control_characters_are_refused_wherever_text_is_kept() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let not_allowed = "Control characters are not allowed";
    for control in
        ["\0", "\u{1}", "\u{8}", "\t", "\n", "\r", "\u{1b}", "\u{1f}", "\u{7f}", "\u{80}", "\u{85}", "\u{9f}"]
    {
        let text = format!("A{control}B");
        let with = json!({ "firstName": text, "lastName": text, "phoneNumber": text, "npiNumber": text });
        let expected = ["firstName", "lastName", "phoneNumber", "npiNumber"];
        let expected = expected.map(|field| format!("custom {field}: {not_allowed}")).join("\n");
        assert_eq!(wrong(&admin, with).await, expected, "{control:?}");
    }
    // What trimming does not take is refused at the ends too.
    for text in ["A\0", "\u{85}A", "A\u{1f}"] {
        let said = wrong(&admin, json!({ "firstName": text })).await;
        assert_eq!(said, format!("custom firstName: {not_allowed}"), "{text:?}");
    }
    // Where only some text is right, they are wrong as any other text is.
    let with = json!({ "email": "a\0@example.com", "recertificationDate": "2025-01-15T00:00:00Z\0" });
    assert_snapshot!(wrong(&admin, with).await, @"
    invalid_string email: Valid email is required
    invalid_string recertificationDate: Invalid datetime
    ");
}

#[tokio::test]
async fn what_is_no_control_character_is_kept() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for text in ["\u{a0}", "\u{200d}", "\u{202e}", "\u{e000}", "\u{fffd}", "\u{10ffff}", "👩‍⚕️", "e\u{301}", "\u{feff}"]
    {
        let name = format!("x{text}x");
        let answer = admin.post(USERS, json!({ "firstName": name, "lastName": "Doe" })).await;
        assert_eq!(answer.status, StatusCode::OK, "{name:?}: {answer}");
        assert_eq!(answer.body["user"]["firstName"], name);
        let id = answer.body["user"]["publicId"].as_str().expect("an id");
        let read = admin.get(&format!("{USERS}/{id}")).await;
        assert_eq!(read.body["firstName"], name, "and read back");
    }
}

#[tokio::test]
async fn a_pair_of_surrogates_is_one_character_and_half_a_pair_is_none() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.post_bytes(USERS, r#"{"firstName":"\ud83d\udc4d","lastName":"Doe"}"#).await;
    assert_eq!(answer.body["user"]["firstName"], "👍", "{answer}");
    for half in [r"\ud800", r"\udc4d", r"\ud83dx", r"\ud83d\ud83d", r"\udc4d\ud83d", r"\ud83d\n"] {
        for body in [
            format!(r#"{{"firstName":"{half}","lastName":"Doe"}}"#),
            format!(r#"{{"firstName":"John","lastName":"Doe","providerPayors":["{half}"]}}"#),
        ] {
            assert_eq!(issues(&admin.post_bytes(USERS, body.clone()).await), NOT_JSON, "{body}");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_refused_wherever_they_stand() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for bad in [&b"\xff"[..], b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe9"] {
        for (before, after) in [
            (r#"{"firstName":""#, r#"","lastName":"Doe"}"#),
            (r#"{"firstName":"John","lastName":"Doe","unknown":""#, r#""}"#),
            (r#"{"firstName":"John","lastName":"Doe",""#, r#"":1}"#),
        ] {
            let body = [before.as_bytes(), bad, after.as_bytes()].concat();
            assert_eq!(issues(&admin.post_bytes(USERS, body).await), NOT_JSON, "{bad:x?} in {before}");
        }
    }
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let good = john(json!({})).to_string();
    for bad in [
        " ",
        "\u{feff}",
        "{",
        "}",
        "nul",
        "undefined",
        "NaN",
        "{'firstName':'John','lastName':'Doe'}",
        "{firstName:\"John\",lastName:\"Doe\"}",
        "firstName=John&lastName=Doe",
        r#"{"firstName":"John","lastName":"Doe",}"#,
        r#"{"firstName":"John" "lastName":"Doe"}"#,
        r#"{"firstName":"John","lastName":"Doe","providerPayors":[1,]}"#,
        r#"{"firstName":"John","lastName":"Doe","n":01}"#,
        r#"{"firstName":"John","lastName":"Doe","n":+1}"#,
        r#"{"firstName":"John","lastName":"Doe","n":.5}"#,
        r#"{"firstName":"John","lastName":"Doe"} // John"#,
        "{\"firstName\":\"Jo\nhn\",\"lastName\":\"Doe\"}",
        r#"{"firstName":"Jo\xhn","lastName":"Doe"}"#,
        &format!("\u{feff}\u{feff}{good}"),
        &format!("{good}\u{feff}"),
        "1e",
        "\"\\ud800\"",
        &format!("{good}{good}"),
        &format!("{good},"),
        &good[..good.len() - 1],
    ] {
        assert_eq!(issues(&admin.post_bytes(USERS, bad.to_owned()).await), NOT_JSON, "{bad}");
    }
    let answer = admin.post_bytes(USERS, format!(" \r\n\t{good}\n ")).await;
    assert_eq!(answer.status, StatusCode::OK, "white space around it is no matter");
    let answer = admin.post_bytes(USERS, format!("\u{feff}{good}")).await;
    assert_eq!(answer.status, StatusCode::OK, "and neither is a byte order mark before it");
}

#[tokio::test]
async fn depth_is_no_matter() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    for unknown in [deep(30_000), objects, "9".repeat(400), "1e400".to_owned()] {
        let body = format!(r#"{{"firstName":"John","lastName":"Doe","unknown":{unknown}}}"#);
        let answer = admin.post_bytes(USERS, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
    }
    // In a field that is read it is an array or an object, and nothing more.
    let in_a_name = |value: String| format!(r#"{{"firstName":{value},"lastName":"Doe"}}"#);
    for (body, said) in [
        (in_a_name(deep(100)), "invalid_type firstName: Expected string, received array"),
        (in_a_name(deep(30_000)), "invalid_type firstName: Expected string, received array"),
        (
            in_a_name(r#"{"a":"#.repeat(10_000) + "1" + &"}".repeat(10_000)),
            "invalid_type firstName: Expected string, received object",
        ),
        (in_a_name(format!("[{}]", deep(30_000))), "invalid_type firstName: Expected string, received array"),
        ("[".repeat(60_000), NOT_JSON),
        (in_a_name("[".repeat(60_000)), NOT_JSON),
        (deep(30_000), "invalid_type : Expected object, received array"),
    ] {
        assert_eq!(issues(&admin.post_bytes(USERS, body).await), said);
    }
}

#[tokio::test]
async fn a_number_is_a_number_however_large() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let many = "9".repeat(10_000);
    for number in
        ["0", "-0", "1.0", "9007199254740993", "18446744073709551616", "-1e308", "1e-400", "1e400", "-1E+9999", &many]
    {
        let body = format!(r#"{{"firstName":{number},"lastName":"Doe"}}"#);
        let said = issues(&admin.post_bytes(USERS, body).await);
        assert_eq!(said, "invalid_type firstName: Expected string, received number", "{number}");
    }
    let answer = admin.post_bytes(USERS, "1e400").await;
    assert_eq!(issues(&answer), "invalid_type : Expected object, received number");
    let answer = admin.post(USERS, john(json!({ "providerPayors": [1] }))).await;
    assert_eq!(issues(&answer), "invalid_type providerPayors.0: Expected string, received number");
    let huge = r#"{"firstName":"John","lastName":"Doe","providerPayors":[1e400,[[1e400]]]}"#;
    assert_snapshot!(issues(&admin.post_bytes(USERS, huge).await), @"
    invalid_type providerPayors.0: Expected string, received number
    invalid_type providerPayors.1: Expected string, received array
    ");
}

#[tokio::test]
async fn text_that_is_too_long_and_has_control_characters_says_both() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let long = "\0".repeat(101);
    let with = json!({ "firstName": long, "phoneNumber": long });
    assert_snapshot!(wrong(&admin, with).await, @"
    too_big firstName: String must contain at most 100 character(s)
    custom firstName: Control characters are not allowed
    too_big phoneNumber: String must contain at most 64 character(s)
    custom phoneNumber: Control characters are not allowed
    ");
    let answer = admin.get(&format!("{USERS}?search={}", "%00".repeat(201))).await;
    assert_snapshot!(issues(&answer), @"
    too_big search: String must contain at most 200 character(s)
    custom search: Control characters are not allowed
    ");
}
