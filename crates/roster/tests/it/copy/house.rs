//! A directory with something of everything in it, and a portrait to know it by again.

mod owed;

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use roster::app::{App, Caller, Clock, Ends, Ids, NewKey, demo};
use roster_directory::{
    NewUser, Role, UserId,
    credential::{Day, RecertificationDate},
    key::Access,
    organization::Alteration,
    user::{Demographics, Line},
};
use roster_store::{Location, Options, Store};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    binary::{Binary, Server},
    roster::NOW,
};

/// The API keys of what was filled.
pub(crate) struct Keys {
    /// Of each organization with users, an ADMIN's.
    pub(crate) admins: Vec<String>,
    /// Of the second organization: a CLINICIAN's, one that was revoked, one that was rotated and lives on for a while.
    pub(crate) others: Vec<String>,
}

/// Runs something on the database of this URL, with the clock at [`NOW`].
pub(crate) fn on<T>(url: &str, work: impl AsyncFnOnce(Arc<App>) -> T) -> T {
    let location: Location = url.parse().expect("a URL");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let store = Store::open(&location, &Options::default()).await.expect("a database");
        work(Arc::new(App::new(store, Clock::at(NOW), Ids::random()))).await
    })
}

/// Fills an empty database: the demo, two organizations with so many random users, and some with nothing.
pub(crate) fn fill(url: &str, users: [usize; 2]) -> Keys {
    on(url, async |app| {
        let mut keys = Keys { admins: Vec::new(), others: Vec::new() };
        let mut chance = Chance(0x0005_eed0_f2a7_d1ce);
        let Ok(demo::Demo::Ready { token, .. }) = demo::prepare(&app).await else { panic!("an empty database") };
        keys.admins.push(token.reveal().to_string());
        for (nth, users) in users.into_iter().enumerate() {
            // Made in one millisecond: their order is not that of their ids.
            for empty in ["Empty", "Emptier"] {
                app.create_organization(empty.parse().expect("a name")).await.expect("an organization");
            }
            let name = format!("Организация {nth}").parse().expect("a name");
            let caller = app.create_organization(name).await.expect("an organization");
            let place = Alteration {
                country: "GB".parse().ok(),
                time_zone: "Europe/London".parse().ok(),
                ..Alteration::default()
            };
            app.alter_organization(&caller, place).await.expect("altered");
            let named = AtomicU32::new(0);
            let key = async |role, lifetime: Option<i64>| {
                let name = format!("k {}", named.fetch_add(1, Relaxed)).parse().expect("a name");
                let ends = lifetime.map_or(Ends::Never, Ends::After);
                let access = if role == Role::Clinician { Access::Read } else { Access::Write };
                app.create_key(&caller, NewKey { role, name, access, ends }, None).await.expect("a key")
            };
            keys.admins.push(key(Role::Admin, None).await.1.reveal().to_string());
            if nth == 0 {
                keys.others.push(key(Role::Clinician, None).await.1.reveal().to_string());
                let (revoked, token) = key(Role::Admin, None).await;
                keys.others.push(token.reveal().to_string());
                app.revoke_key(&caller, revoked.id).await.expect("revoked");
                let (rotated, token) = key(Role::Admin, None).await;
                keys.others.push(token.reveal().to_string());
                app.rotate_key(&caller, rotated.id, 100 * 365 * 86_400_000, None).await.expect("rotated");
                key(Role::Patient, Some(60_000)).await;
            }
            let caller = Arc::new(caller);
            owed::say_how_to_text(&app, &caller).await;
            add_users(&app, &caller, users, &mut chance).await;
            owed::fill(&app, &caller).await;
        }
        keys
    })
}

/// Users of all roles, some at a time, while the clock stands, goes, and sometimes goes back.
async fn add_users(app: &Arc<App>, caller: &Arc<Caller>, users: usize, chance: &mut Chance) {
    let mut payors = Vec::new();
    for name in ["Aetna", "Cigna", "Optum"] {
        payors.push(app.create_payor(caller, name.parse().expect("a name")).await.expect("a payor").id.to_string());
    }
    let (mut now, mut there) = (NOW, Vec::new());
    for from in (0..users).step_by(100) {
        now += [0, 0, 1, 1_000, -500][chance.below(5)];
        app.clock().set(now);
        let mut creating = JoinSet::new();
        for nth in from..users.min(from + 100) {
            let (app, caller, new) = (app.clone(), caller.clone(), somebody(nth, &payors, &there, chance));
            creating.spawn(async move { app.create_user(&caller, new, None).await });
        }
        for created in creating.join_all().await {
            there.push(created.expect("a user").user.id);
        }
    }
    app.clock().set(NOW);
}

fn somebody(nth: usize, payors: &[String], there: &[UserId], chance: &mut Chance) -> NewUser {
    let names = ["Zoë", "Łukasz", "O'Brien", "李", "Ann Lee", "𝒳", "Müller", "الياس", "%_", "Smith"];
    let name = |chance: &mut Chance| names[chance.below(names.len())].parse().expect("a name");
    let line = |chance: &mut Chance, text: &str| chance.flip().then(|| text.parse::<Line>().expect("a line"));
    let caregiver = chance.below(100);
    NewUser {
        email: (chance.flip() || nth == 17).then(|| format!("Person.{nth}@Example.com").parse().expect("an e-mail")),
        role: Role::ALL[chance.below(Role::ALL.len())],
        phone: chance.flip().then(|| format!("(415) 555-0{:03}", chance.below(1_000)).parse().expect("a phone")),
        npi: chance.flip().then(|| ["1234567893", "12345"][chance.below(2)].parse().expect("an NPI")),
        should_send_sms: chance.flip(),
        recertification: chance
            .flip()
            .then(|| RecertificationDate::parse("2027-01-15T23:30:00-08:00").expect("a date")),
        payors: payors.iter().filter(|_| chance.flip()).cloned().collect(),
        demographics: Demographics {
            sex: line(chance, "female"),
            caregiver: chance.flip().then(|| there.get(caregiver).copied()).flatten(),
            birth_date: chance.flip().then(|| Day::parse("2019-02-28").expect("a day")),
            address_line1: line(chance, "12 Alder Street"),
            address_line2: line(chance, "Apt \"3\""),
            city: line(chance, "Riverbend"),
            state: line(chance, "CA"),
            postal_code: line(chance, "90000"),
        },
        ..NewUser::named(name(chance), name(chance))
    }
}

/// The same numbers every time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// Everything that commands, the store and the API say of the directory, a line each.
pub(crate) fn portrait(binary: &Binary, url: &str, keys: &Keys) -> Vec<String> {
    let mut text = String::new();
    let mut ask = |arguments: &[&str]| {
        let output = binary.command([&["--database", url], arguments].concat()).output().expect("the binary starts");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let told = String::from_utf8_lossy(&output.stderr);
        write!(text, "{arguments:?}\n{printed}{told}").expect("a string");
        printed
    };
    let organizations = ask(&["org", "list"]);
    for org in organizations.lines().filter_map(|line| line.split('\t').next()) {
        ask(&["key", "list", "--org", org]);
        ask(&["payor", "list", "--org", org]);
        ask(&["outbox", "list", "--org", org, "--limit", "10000"]);
        for sort in ["createdAt_asc", "createdAt_desc"] {
            for page in 1.. {
                let page = page.to_string();
                let list = ["user", "list", "--org", org, "--sort", sort, "--page-size", "100", "--page", &page];
                let users = ask(&list);
                if let Some(one) = users.lines().nth(42).and_then(|line| line.split('\t').next()) {
                    ask(&["user", "show", "--org", org, one]);
                }
                if users.lines().count() < 100 {
                    break;
                }
            }
        }
    }
    ask(&["outbox", "list", "--limit", "10000"]);
    let from_here = match url.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}", binary.path().join(path).display()),
        None => url.to_owned(),
    };
    on(&from_here, async |app| {
        for organization in app.store().organizations().await.expect("organizations") {
            for entry in app.store().audit(organization.id, 100_000).await.expect("audit entries") {
                writeln!(text, "{entry:?}").expect("a string");
            }
            owed::portray(&app, organization.id, &mut text).await;
        }
    });
    let server = binary.serve(&["--database", url]);
    for key in keys.admins.iter().chain(&keys.others) {
        text.push_str(&by_api(&server, key));
    }
    text.lines().map(str::to_owned).collect()
}

fn by_api(server: &Server, key: &str) -> String {
    let mut text = String::new();
    let mut get = |path: &str| {
        let (status, answer) = server.request("GET", path, key, "");
        writeln!(text, "{path} {status} {answer}").expect("a string");
        answer
    };
    get("/api/v1/me");
    get("/api/v1/organization");
    for page in 1.. {
        let answer = get(&format!("/api/v1/users?page={page}&pageSize=100"));
        let users = answer["data"].as_array().map_or(&[][..], Vec::as_slice);
        for id in users.iter().step_by(33).filter_map(|user| user["publicId"].as_str()) {
            get(&format!("/api/v1/users/{id}"));
        }
        if users.len() < 100 {
            break;
        }
    }
    for query in ["role=PATIENT", "role=HIPP_ADMIN", "email=PERSON.17@example.COM", "role=CLINICIAN&page=3&pageSize=7"]
    {
        get(&format!("/api/v1/users?{query}"));
    }
    for search in ["zo%C3%AB", "%25_", "%E6%9D%8E", "415555", "(415)", "person.1", "ann+lee", "%F0%9D%92%B3", "z"] {
        get(&format!("/api/v1/users?search={search}"));
    }
    text
}

/// Fails at the first line that two portraits do not share.
pub(crate) fn assert_alike(one: &[String], other: &[String]) {
    for (nth, (one, other)) in one.iter().zip(other).enumerate() {
        assert_eq!(one, other, "line {nth}");
    }
    assert_eq!(one.len(), other.len());
}

/// That the directory goes on: a new user is the newest, found at once, counted, and its e-mail is taken.
pub(crate) fn assert_goes_on(binary: &Binary, url: &str, keys: &Keys) {
    let server = binary.serve(&["--database", url]);
    for key in &keys.admins {
        let total = |answer: &Value| answer["pagination"]["totalCount"].as_u64().expect("a number");
        let (_, before) = server.request("GET", "/api/v1/users", key, "");
        let (status, made) = server.create(key, "Newcomer@example.com");
        assert_eq!(status, 200, "{made}");
        let (_, after) = server.request("GET", "/api/v1/users", key, "");
        assert_eq!(after["data"][0]["publicId"], made["user"]["publicId"]);
        assert_eq!(after["data"][1], before["data"][0]);
        assert_eq!(total(&after), total(&before) + 1);
        let (_, found) = server.request("GET", "/api/v1/users?search=newcomer", key, "");
        assert_eq!((total(&found), &found["data"][0]), (1, &after["data"][0]));
        assert_eq!(server.create(key, "newcomer@EXAMPLE.com").0, 400);
        if total(&before) > 100 {
            let taken = before["data"].as_array().map(Vec::len);
            assert_eq!(taken, Some(25));
            assert_eq!(server.create(key, "person.17@example.com").0, 400, "an e-mail that was copied is taken");
        }
    }
    assert_eq!(server.request("GET", "/api/v1/me", &keys.others[1], "").0, 401, "what was revoked stays revoked");
}
