//! The document against the published contract: whatever that says, ours says too, or something stricter.

use serde_json::{Map, Value};

/// What is said differently, and why. Each entry must be needed.
const EXCEPT: [(&str, &str); 6] = [
    ("/openapi", "3.1, where null is a type of its own"),
    ("/info/title", "it is another server"),
    ("/info/version", "and has its own versions"),
    ("/info/description", "and says what it adds"),
    ("/servers/0", "and stands elsewhere; the path below the host is the same, as a test of its own says"),
    ("/components/securitySchemes/BearerAuth/bearerFormat", "a hint only: the keys are opaque"),
];

fn contract() -> Value {
    serde_json::from_str(include_str!("contract.json")).expect("JSON")
}

#[test]
fn the_document_contains_the_contract() {
    let lacking = compare(&contract(), &super::document());
    assert!(lacking.found.is_empty(), "{:#?}", lacking.found);
    for (place, reason) in EXCEPT {
        assert!(lacking.excepted.contains(place), "{place} needs no exception any more: {reason}");
    }
}

#[test]
fn the_api_stands_where_the_contract_has_it() {
    let (contract, ours) = (contract(), super::document());
    let address = contract["servers"][0]["url"].as_str().expect("an address");
    assert!(address.ends_with(ours["servers"][0]["url"].as_str().expect("a path")));
}

/// The comparison is only worth what it notices: one word of the contract after another is changed.
#[test]
fn any_other_word_in_the_contract_is_noticed() {
    let (contract, ours) = (contract(), super::document());
    let mut places = Vec::new();
    leaves(&contract, "", &mut places);
    let excepted = |place: &str| EXCEPT.iter().any(|(except, _)| place.starts_with(except));
    // A field that is never null keeps a promise to be nullable, and one not to be.
    let said = places.iter().filter(|place| !excepted(place) && !place.ends_with("/nullable"));
    let mut words = 0;
    for place in said {
        let mut other = contract.clone();
        let word = other.pointer_mut(place).expect("a place in it");
        *word = match &*word {
            Value::String(text) => format!("{text}~").into(),
            Value::Bool(yes) => (!yes).into(),
            Value::Number(number) => (number.as_i64().expect("an integer") + 1).into(),
            other => panic!("{place}: {other}"),
        };
        assert!(!compare(&other, &ours).found.is_empty(), "{place} could say anything");
        words += 1;
    }
    assert!(words > 200, "only {words}");
}

/// The places of everything that is not an object or an array.
fn leaves(value: &Value, place: &str, places: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                leaves(value, &format!("{place}/{}", key.replace('/', "~1")), places);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                leaves(value, &format!("{place}/{index}"), places);
            }
        }
        _ => places.push(place.to_owned()),
    }
}

fn compare(contract: &Value, ours: &Value) -> Lacking {
    let mut lacking = Lacking { document: ours.clone(), found: Vec::new(), excepted: String::new() };
    lacking.value("", contract, ours);
    lacking
}

/// Goes through the contract, and notes what our document lacks.
struct Lacking {
    document: Value,
    found: Vec<String>,
    excepted: String,
}

impl Lacking {
    fn note(&mut self, place: &str, what: String) {
        match EXCEPT.iter().find(|(except, _)| place == *except || place.starts_with(&format!("{except}/"))) {
            Some((except, _)) => self.excepted.push_str(except),
            None => self.found.push(format!("{place}: {what}")),
        }
    }

    fn value(&mut self, place: &str, contract: &Value, ours: &Value) {
        match (contract, ours) {
            (Value::Object(contract), Value::Object(ours)) => self.object(place, contract, ours),
            (Value::Array(contract), Value::Array(ours)) => self.array(place, contract, ours),
            (contract, ours) if contract == ours => {}
            _ => self.note(place, format!("{ours} where the contract has {contract}")),
        }
    }

    fn object(&mut self, place: &str, contract: &Map<String, Value>, ours: &Map<String, Value>) {
        // A component must be the same component; what the contract spells out may be a component of ours.
        if let (false, Some(reference)) = (contract.contains_key("$ref"), ours.get("$ref")) {
            let component = self.resolve(reference);
            return self.object(place, contract, &component);
        }
        for (key, wanted) in contract {
            let place = format!("{place}/{}", key.replace('/', "~1"));
            match (key.as_str(), ours.get(key)) {
                // Under these, keys are names and not words of OpenAPI.
                _ if is_names(&place) => match ours.get(key) {
                    Some(given) => self.value(&place, wanted, given),
                    None => self.note(&place, "missing".to_owned()),
                },
                ("nullable", _) => {}
                ("type", Some(given)) => {
                    let nullable = contract.get("nullable") == Some(&Value::Bool(true));
                    let allowed = given == wanted || nullable && *given == serde_json::json!([wanted, "null"]);
                    if !allowed {
                        self.note(&place, format!("{given} where the contract has {wanted}, nullable: {nullable}"));
                    }
                }
                ("example", given) => {
                    let among = ours.get("examples").and_then(Value::as_array);
                    if given != Some(wanted) && !among.is_some_and(|examples| examples.contains(wanted)) {
                        self.note(&place, format!("no example {wanted}"));
                    }
                }
                ("description", Some(Value::String(given))) => {
                    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                    let wanted = one_line(wanted.as_str().expect("text"));
                    if !one_line(given).to_lowercase().starts_with(&wanted.trim_end_matches('.').to_lowercase()) {
                        self.note(&place, format!("{given:?} where the contract has {wanted:?}"));
                    }
                }
                (_, Some(given)) => self.value(&place, wanted, given),
                (_, None) => self.note(&place, "missing".to_owned()),
            }
        }
    }

    fn array(&mut self, place: &str, contract: &[Value], ours: &[Value]) {
        let key = place.rsplit('/').next().unwrap_or_default();
        match key {
            "required" => {
                for name in contract.iter().filter(|name| !ours.contains(name)) {
                    self.note(place, format!("{name} is not required"));
                }
            }
            "parameters" => {
                for wanted in contract {
                    let same = |given: &&Value| given["name"] == wanted["name"] && given["in"] == wanted["in"];
                    match ours.iter().find(same) {
                        Some(given) => self.parameter(&format!("{place}/{}", wanted["name"]), wanted, given),
                        None => self.note(place, format!("no parameter {}", wanted["name"])),
                    }
                }
            }
            "servers" => {
                for (index, wanted) in contract.iter().enumerate() {
                    self.value(&format!("{place}/{index}"), wanted, ours.get(index).unwrap_or(&Value::Null));
                }
            }
            // A list of words, or an example: neither more nor less.
            _ if contract == ours => {}
            _ => self.note(place, format!("{ours:?} where the contract has {contract:?}")),
        }
    }

    /// A parameter's example may stand in its schema or beside it.
    fn parameter(&mut self, place: &str, contract: &Value, ours: &Value) {
        let mut ours = ours.clone();
        if let (None, Some(example)) = (contract.get("example"), ours.get("example").cloned()) {
            ours["schema"]["example"] = example;
        }
        self.value(place, contract, &ours);
    }

    fn resolve(&self, reference: &Value) -> Map<String, Value> {
        let place = reference.as_str().and_then(|place| place.strip_prefix('#')).expect("a place in the document");
        self.document.pointer(place).and_then(Value::as_object).expect("a component").clone()
    }
}

/// Whether the last key of a place is somebody's name: a field's, a path's, a status.
fn is_names(place: &str) -> bool {
    let above = place.rsplit('/').nth(1).unwrap_or_default();
    ["properties", "paths", "schemas", "responses", "examples", "value", "content", "securitySchemes"].contains(&above)
}
