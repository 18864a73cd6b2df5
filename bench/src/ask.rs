//! The requests that servers are loaded with.

use std::{
    io::Write,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use roster_directory::UserId;

use crate::{
    load::Exchange,
    people::{Person, id_of, is_hidden, mix},
};

/// Person numbers that no seeded database and no other run of this program reaches, handed out once.
static NEW: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new((u64::from(std::process::id()) + 1) << 32));

/// One of `of`, another each time.
#[derive(Default)]
pub(crate) struct Dice(u64);

impl Dice {
    /// A number below `of`, of somebody who can be seen where it is a person's.
    pub(crate) fn below(&mut self, of: u64) -> u64 {
        loop {
            self.0 += 1;
            let nth = mix(self.0) % of;
            if !is_hidden(nth) {
                return nth;
            }
        }
    }
}

fn get(exchange: &mut Exchange, key: &str, path: [&str; 2], expected: &[&str]) {
    let parts = ["GET ", path[0], path[1], " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ", key];
    parts.iter().for_each(|part| exchange.request.extend_from_slice(part.as_bytes()));
    exchange.request.extend_from_slice(b"\r\nAccept: application/json\r\n\r\n");
    expected.iter().for_each(|part| exchange.expected.extend_from_slice(part.as_bytes()));
}

/// The fixed body, asked for with the headers of every other request.
pub(crate) fn fixed(key: &str) -> impl FnMut(&mut Exchange) + use<> {
    let key = key.to_owned();
    move |exchange| get(exchange, &key, ["/healthz", ""], &[r#"{"status":"ok"}"#])
}

/// Users by id, at random: `many` different ones of `users`, or almost all.
pub(crate) fn user(key: &str, users: u64, many: u64) -> impl FnMut(&mut Exchange) + use<> {
    let some = (0..).map(|nth| if many < users { mix(nth) % users } else { nth }).filter(|nth| !is_hidden(*nth));
    user_of(key, some.take(many.min(users - users / 1_000) as usize).map(id_of).collect())
}

/// Users by id, one of these each time.
pub(crate) fn user_of(key: &str, ids: Vec<UserId>) -> impl FnMut(&mut Exchange) + use<> {
    let key = key.to_owned();
    let mut dice = Dice::default();
    move |exchange| {
        let id = ids[dice.below(ids.len() as u64) as usize].as_str();
        get(exchange, &key, ["/api/v1/users/", id], &[r#"{"publicId":""#, id, "\""]);
    }
}

/// One user by id, always the same.
pub(crate) fn user_called(key: &str, id: &str) -> impl FnMut(&mut Exchange) + use<> {
    let (key, id) = (key.to_owned(), id.to_owned());
    move |exchange| get(exchange, &key, ["/api/v1/users/", &id], &[r#"{"publicId":""#, &id, "\""])
}

/// One page of users, always the same. It must not be empty.
pub(crate) fn page(key: &str, query: &str) -> impl FnMut(&mut Exchange) + use<> {
    let (key, query) = (key.to_owned(), query.to_owned());
    move |exchange| get(exchange, &key, ["/api/v1/users?", &query], &[r#"{"data":[{"publicId":"usr_"#])
}

/// Searches, each for somebody else. Somebody must be found.
pub(crate) fn search(key: &str, users: u64, term: fn(&Person) -> String) -> impl FnMut(&mut Exchange) + use<> {
    found(key, users, move |person| search_query(&term(person)))
}

/// Lists of whom a query finds, each time for somebody else. Somebody must be found.
pub(crate) fn found<Q: Fn(&Person) -> String>(key: &str, users: u64, query: Q) -> impl FnMut(&mut Exchange) + use<Q> {
    let key = key.to_owned();
    let mut dice = Dice::default();
    move |exchange| {
        let query = query(&Person::nth(dice.below(users)));
        get(exchange, &key, ["/api/v1/users?", &query], &[r#"{"data":[{"publicId":"usr_"#]);
    }
}

/// The query string that searches for a term of ASCII.
pub(crate) fn search_query(term: &str) -> String {
    format!("search={}", term.replace('+', "%2B").replace(' ', "%20"))
}

/// Creates, each of somebody new.
pub(crate) fn create(key: &str) -> impl FnMut(&mut Exchange) + use<> {
    create_at("/api/v1/users", key, r#"{"message":"User created successfully","user":{"publicId":"usr_"#)
}

/// The same where somebody else's server takes them.
pub(crate) fn create_at(path: &'static str, key: &str, expected: &'static str) -> impl FnMut(&mut Exchange) + use<> {
    let key = key.to_owned();
    let mut body = Vec::new();
    move |exchange| {
        body.clear();
        Person::nth(NEW.fetch_add(1, Ordering::Relaxed)).write_body(&mut body);
        write!(
            exchange.request,
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
             Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .expect("writing to memory does not fail");
        exchange.request.extend_from_slice(&body);
        exchange.expected.extend_from_slice(expected.as_bytes());
    }
}

/// Changes the last name of somebody, another one each time.
pub(crate) fn patch_name(key: &str, users: u64) -> impl FnMut(&mut Exchange) + use<> {
    changing(key, users, "PATCH", "", |nth| format!(r#"{{"lastName":"Changed{nth:x}"}}"#))
}

/// Changes the e-mail of somebody to one that nobody had.
pub(crate) fn patch_email(key: &str, users: u64) -> impl FnMut(&mut Exchange) + use<> {
    changing(key, users, "PATCH", "", |nth| format!(r#"{{"email":"changed{nth:x}@example.com"}}"#))
}

/// Has somebody leave.
pub(crate) fn deactivate(key: &str, users: u64) -> impl FnMut(&mut Exchange) + use<> {
    changing(key, users, "POST", "/deactivate", |_| "{}".to_owned())
}

/// Searches as [`search`] does, also for those who left.
pub(crate) fn search_all(key: &str, users: u64, term: fn(&Person) -> String) -> impl FnMut(&mut Exchange) + use<> {
    found(key, users, move |person| format!("{}&status=ALL", search_query(&term(person))))
}

fn changing(
    key: &str,
    users: u64,
    method: &'static str,
    act: &'static str,
    body: fn(u64) -> String,
) -> impl FnMut(&mut Exchange) + use<> {
    let key = key.to_owned();
    // Somebody else than in a run before.
    let mut dice = Dice(NEW.fetch_add(1 << 20, Ordering::Relaxed));
    move |exchange| {
        let id = id_of(dice.below(users));
        let body = body(NEW.fetch_add(1, Ordering::Relaxed));
        write!(
            exchange.request,
            "{method} /api/v1/users/{id}{act} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
             Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("writing to memory does not fail");
        exchange.expected.extend_from_slice(br#"{"publicId":""#);
        exchange.expected.extend_from_slice(id.as_str().as_bytes());
    }
}

/// What one of these asks, at random.
pub(crate) fn one_of<A: FnMut(&mut Exchange)>(mut askers: Vec<A>) -> impl FnMut(&mut Exchange) {
    let mut dice = 0;
    move |exchange| {
        dice += 1;
        let nth = mix(dice) % askers.len() as u64;
        askers[nth as usize](exchange);
    }
}

/// Something of somebody else's server, one of `paths` each time, at random.
pub(crate) fn any_of(paths: Vec<String>, key: &str, expected: &'static str) -> impl FnMut(&mut Exchange) + use<> {
    let key = key.to_owned();
    let mut dice = 0;
    move |exchange| {
        dice += 1;
        let path = &paths[(mix(dice) % paths.len() as u64) as usize];
        get(exchange, &key, [path, ""], &[expected]);
    }
}
