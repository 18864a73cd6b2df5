//! Bodies made from a valid one by changing some of it, the same ones in every run.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

/// So many bodies.
pub(super) fn generated(count: usize) -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let body = body();
    let one = |_| body.new_tree(&mut runner).expect("nothing is filtered out").current().into_bytes();
    (0..count).map(one).collect()
}

/// Mostly objects, with each field left out, right, or wrong in some way.
fn body() -> impl Strategy<Value = String> {
    let required = |right: BoxedStrategy<Value>, wrong: BoxedStrategy<Value>| prop_oneof![12 => right.prop_map(Some), 4 => wrong.prop_map(Some), 1 => any_value().prop_map(Some), 1 => Just(None)];
    let optional = |right: BoxedStrategy<Value>, wrong: BoxedStrategy<Value>| prop_oneof![9 => Just(None), 5 => right.prop_map(Some), 3 => wrong.prop_map(Some), 1 => any_value().prop_map(Some)];
    let fields = (
        required(name(), doubtful_name()),
        required(name(), doubtful_name()),
        optional(email(), doubtful_email()),
        optional(role(), doubtful_role()),
        optional(text(60), text_around(64)),
        optional(text(60), text_around(64)),
        optional(any::<bool>().prop_map(Value::Bool).boxed(), any_value()),
        optional(moment(), doubtful_moment()),
        optional(payors(20), doubtful_payors()),
        prop::option::weighted(0.2, any_value()),
    );
    let object = (fields, any::<prop::sample::Index>(), any::<bool>()).prop_map(|(fields, turn, pretty)| {
        let (first, last, email, role, phone, npi, sms, moment, payors, unknown) = fields;
        let mut members: Vec<(&str, Value)> = [
            ("firstName", first),
            ("lastName", last),
            ("email", email),
            ("role", role),
            ("phoneNumber", phone),
            ("npiNumber", npi),
            ("shouldSendSMS", sms),
            ("recertificationDate", moment),
            ("providerPayors", payors),
            ("unknown", unknown),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        // The order in which they are sent is no matter.
        if !members.is_empty() {
            let turn = turn.index(members.len());
            members.rotate_left(turn);
        }
        let gap = if pretty { " \r\n\t" } else { "" };
        let members = members.iter().map(|(name, value)| format!("{gap}\"{name}\"{gap}:{gap}{value}{gap}"));
        format!("{{{}}}{gap}", members.collect::<Vec<_>>().join(","))
    });
    let broken =
        (any::<prop::sample::Index>(), prop::sample::select(vec!["", ",", "}", "\"", "\u{feff}", "nul", "\\"]));
    let broken = broken.prop_map(|(at, text)| {
        let body = r#"{"firstName":"John","lastName":"Doe","providerPayors":["a",1]}"#;
        let (before, after) = body.split_at(at.index(body.len()));
        format!("{before}{text}{}", after.get(1..).unwrap_or_default())
    });
    prop_oneof![30 => object, 1 => any_value().prop_map(|root| root.to_string()), 1 => broken]
}

/// A value of any type.
fn any_value() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-0.0),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!([]),
        json!(["John", "Doe"]),
        json!([[], {}]),
        json!({}),
        json!({ "firstName": "John", "lastName": "Doe" }),
        json!({ "length": 1, "0": "x" }),
    ])
    .boxed()
}

/// White space to JavaScript, which trims it.
const SPACES: [&str; 10] = [
    " ",
    "\t",
    "\n\r",
    "\u{b}\u{c}",
    "\u{a0}",
    "\u{1680}",
    "\u{2003}\u{200a}",
    "\u{2028}\u{2029}",
    "\u{202f}\u{205f}\u{3000}",
    "\u{feff}",
];

/// Letters of all kinds; none is a control character, which is an exception, or white space to JavaScript.
const LETTERS: [&str; 14] =
    ["J", "o", "é", "ß", "İ", "李", "👍", "👩‍⚕️", "\u{200b}", "\u{180e}", "\u{fffd}", "\"", "\\", "/'"];

fn letters(count: std::ops::Range<usize>) -> BoxedStrategy<String> {
    prop::collection::vec(prop::sample::select(LETTERS.to_vec()), count).prop_map(|letters| letters.concat()).boxed()
}

fn spaces() -> BoxedStrategy<String> {
    prop::collection::vec(prop::sample::select(SPACES.to_vec()), 0..3).prop_map(|spaces| spaces.concat()).boxed()
}

fn name() -> BoxedStrategy<Value> {
    (spaces(), letters(1..12), spaces()).prop_map(|(a, b, c)| json!(format!("{a}{b}{c}"))).boxed()
}

fn doubtful_name() -> BoxedStrategy<Value> {
    let blank = spaces().prop_map(Value::String);
    let padded = (spaces(), text_around(100), spaces())
        .prop_map(|(a, text, c)| json!(format!("{a}{}{c}", text.as_str().expect("a text"))));
    prop_oneof![blank, padded].boxed()
}

fn text(most: usize) -> BoxedStrategy<Value> {
    letters(0..most / 8).prop_map(Value::String).boxed()
}

/// Text of about so many UTF-16 units, or of as many characters or bytes.
fn text_around(limit: usize) -> BoxedStrategy<Value> {
    (prop::sample::select(vec!["x", "é", "李", "👍"]), limit - 1..limit + 2, any::<bool>())
        .prop_map(|(letter, count, in_units)| {
            let units = letter.encode_utf16().count();
            json!(letter.repeat(if in_units { count / units } else { count }))
        })
        .boxed()
}

fn email() -> BoxedStrategy<Value> {
    let local = prop::sample::select(vec!["a", "john.doe", "J_D+x-y'z0", "_", "-", "+", "1.2.3"]);
    let domain = prop::sample::select(vec!["b.co", "example.com", "x-.museum", "9.z9.Org", "a.b.c.d.ef"]);
    (local, domain).prop_map(|(local, domain)| json!(format!("{local}@{domain}"))).boxed()
}

fn doubtful_email() -> BoxedStrategy<Value> {
    let part = prop::sample::select(vec![
        "a", "B", "0", ".", "..", "@", "-", "_", "'", "+", " ", "é", "\u{212a}", "\u{131}", "\u{17f}", "\n", "\u{0}",
        "co", ".com", "!", "\"", "@b.co",
    ]);
    let soup = prop::collection::vec(part, 0..8).prop_map(|parts| json!(parts.concat()));
    let suffixed = prop::sample::select(vec![
        "@b.c", "@b.c0", "@-b.co", "@b-.co", "@b_.co", "@.co", "@b..co", "@b.co.", "@b.co ", "@b.co\n",
    ])
    .prop_map(|suffix| json!(format!("a{suffix}")));
    let long = (240..246usize).prop_map(|length| json!(format!("{}@example.com", "a".repeat(length))));
    let long_and_bad = (250..260usize).prop_map(|length| json!("@".repeat(length)));
    prop_oneof![3 => soup, 2 => suffixed, 1 => long, 1 => long_and_bad].boxed()
}

fn role() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        "ADMIN",
        "BILLING_MANAGER",
        "SCHEDULING_MANAGER",
        "CLINICIAN",
        "TECHNICIAN",
        "PATIENT",
        "CAREGIVER",
        "CLINICAL_ADMIN",
        "PAYROLL_ADMIN",
    ])
    .prop_map(|role| json!(role))
    .boxed()
}

fn doubtful_role() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        "HIPP_ADMIN",
        "HIPP_BILLING_MANAGER",
        "CLINICAL_SUPERADMIN",
        "admin",
        "",
        " ADMIN",
        "ADMIN\n",
        "toString",
        "'ADMIN'",
        "a\u{0}b",
        "👍",
    ])
    .prop_map(|role| json!(role))
    .boxed()
}

fn moment() -> BoxedStrategy<Value> {
    let day =
        prop::sample::select(vec!["2025-01-15", "2024-02-29", "0000-01-01", "2000-02-29", "9999-12-31", "1900-02-28"]);
    let time = prop::sample::select(vec!["00:00:00", "23:59:59", "12:00", "12:00:00.1", "12:00:00.123456789012"]);
    let zone = prop::sample::select(vec!["Z", "+00:00", "-05:00", "+0530", "-9959", "+99:99"]);
    (day, time, zone).prop_map(|(day, time, zone)| json!(format!("{day}T{time}{zone}"))).boxed()
}

fn doubtful_moment() -> BoxedStrategy<Value> {
    let day = prop::sample::select(vec![
        "2025-02-29",
        "1900-02-29",
        "2100-02-29",
        "2025-04-31",
        "2025-13-01",
        "2025-00-10",
        "2025-01-00",
        "2025-1-15",
        "25-01-15",
        "+002025-01-15",
        "-2025-01-15",
        "20250115",
        "2025-01-15",
        "٢٠٢٥-01-15",
        "",
    ]);
    let time = prop::sample::select(vec![
        "T00:00:00",
        "T24:00:00",
        "T23:60:00",
        "T23:59:60",
        "T00:00:00.",
        "T00:00.5",
        "T0:00:00",
        "T00",
        "T",
        "t00:00:00",
        " 00:00:00",
        "",
        "TT00:00:00",
        "T00:00:00,5",
        "T00:0000",
    ]);
    let zone = prop::sample::select(vec![
        "Z",
        "z",
        "",
        "+05",
        "+5:30",
        "+05:3",
        "-05:00:00",
        "+0:530",
        "ZZ",
        "Z+00:00",
        " Z",
        "Z\n",
        "−05:00",
        "+é:00",
    ]);
    (day, time, zone).prop_map(|(day, time, zone)| json!(format!("{day}{time}{zone}"))).boxed()
}

fn payors(most: usize) -> BoxedStrategy<Value> {
    let id = prop::sample::select(vec!["abc123", "pay_abc123def456", "", "é", "\u{0}", "\"", "pay_"]);
    prop::collection::vec(id, 0..most).prop_map(|ids| json!(ids)).boxed()
}

fn doubtful_payors() -> BoxedStrategy<Value> {
    let mixed =
        prop::collection::vec(prop_oneof![3 => Just(json!("abc123")), 1 => any_value()], 1..8).prop_map(Value::Array);
    let many = (99..103usize, any::<bool>()).prop_map(|(count, wrong_too)| {
        let mut ids = vec![json!("x"); count];
        if wrong_too {
            ids[count - 1] = json!(null);
        }
        Value::Array(ids)
    });
    prop_oneof![3 => mixed, 1 => many].boxed()
}
