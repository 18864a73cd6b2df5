//! Whatever text comes in, it is taken or refused: no parser fails on it.

use proptest::prelude::*;
use roster_directory::{
    MessageId, OrganizationId, PayorId, Role, UserId, WebhookId,
    credential::{Day, RecertificationDate},
    npi::NpiNumber,
    phone::PhoneNumber,
    query::Sort,
    search::Terms,
    sms::{Keyword, Template},
    user::{Email, EmailKey, PersonName},
};

fn judge(text: &str) {
    let _ = (RecertificationDate::parse(text), Day::parse(text), NpiNumber::parse(text), PhoneNumber::parse(text));
    let _ = (Email::parse(text), EmailKey::sought(text), PersonName::parse(text), Role::parse(text));
    let _ = (Terms::parse(text), Sort::parse(text), Keyword::parse(text), Template::parse(text));
    let _ = (UserId::parse(text), OrganizationId::parse(text), PayorId::parse(text), MessageId::parse(text));
    let _ = WebhookId::parse(text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_text_is_judged(text in any::<String>()) {
        judge(&text);
    }

    /// What is well-formed, but for some characters of any width.
    #[test]
    fn text_with_odd_characters_in_it_is_judged(
        text in prop::sample::select(vec![
            "2025-01-15T00:00:00+05:30",
            "2025-01-15T00:00:00.123+0530",
            "2025-01-15T00:00Z",
            "usr_1234567890_abc123def",
            "msg_1234567890_abc123def",
            "org_abc123def456",
            "jane.smith@mail.example.com",
            "+1 (415) 555-0123 x12",
            "1234567893",
            "createdAt_desc,updatedAt_asc",
            "Hello {firstName}, from {organization}",
        ]),
        odd in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, prop::option::of(odd())), 1..5),
    ) {
        let mut characters: Vec<char> = text.chars().collect();
        for (place, removed, added) in odd {
            let place = place.index(characters.len() + 1);
            let removed = place..(place + removed).min(characters.len());
            characters.splice(removed, added);
        }
        judge(&characters.into_iter().collect::<String>());
    }
}

/// A character, mostly of one that takes two, three or four bytes.
fn odd() -> impl Strategy<Value = char> {
    prop_oneof![Just('\u{e9}'), Just('\u{20ac}'), Just('\u{1f600}'), any::<char>()]
}
