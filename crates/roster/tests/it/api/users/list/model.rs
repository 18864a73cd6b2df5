//! Lists compared with what reading everybody, one after another, would answer: of people who come, change, leave, come back
//! and are erased, in two processes.

use hyper::StatusCode;
use proptest::prelude::*;
use roster::app::Meant;
use roster_directory::{NewUser, Role, UserId, user::Patch};
use serde_json::{Value, json};

use crate::roster::{Client, NOW, Organization, Roster};

/// Somebody, as the model knows them.
#[derive(Debug, Clone, PartialEq)]
struct Person {
    first: String,
    last: String,
    email: Option<String>,
    phone: Option<String>,
    role: Role,
}

/// Somebody who is there.
struct Known {
    id: UserId,
    person: Person,
    is_active: bool,
    /// The number of the act that changed them last, or created them.
    updated: i64,
}

/// What happens to somebody: to the n-th of those who are there, counted round and round.
#[derive(Debug, Clone)]
enum Act {
    Create(Person),
    /// Some of the fields become this person's: a bit for each.
    Change(usize, Person, u8),
    Deactivate(usize),
    Restore(usize, Option<String>),
    Erase(usize),
}

#[derive(Debug, Clone)]
struct Question {
    key: Role,
    search: Option<String>,
    role: Option<Role>,
    status: Option<&'static str>,
    email: Option<String>,
    sort: &'static str,
    page: usize,
    page_size: usize,
}

fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "Ann", "ann", "Lee", "LEE", "Zoë", "ZOË", "O'Brien", "100%", "a_b", "ΣΑΣ", "σας", "İ", "ß", "李", "x", "-",
        "415", "n",
    ]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("")).no_shrink()
}

fn act() -> impl Strategy<Value = Act> {
    let nth = 0..200usize;
    prop_oneof![
        6 => person().prop_map(Act::Create),
        5 => (nth.clone(), person(), 0..32u8).prop_map(|(nth, person, fields)| Act::Change(nth, person, fields)),
        3 => nth.clone().prop_map(Act::Deactivate),
        2 => (nth.clone(), person()).prop_map(|(nth, person)| Act::Restore(nth, person.email)),
        1 => nth.prop_map(Act::Erase),
    ]
}

fn person() -> impl Strategy<Value = Person> {
    let local = prop::sample::select(vec!["ann", "Ann.Lee", "lee+1", "zoe", "x_y", "415"]);
    let domain = prop::sample::select(vec!["example.com", "EXAMPLE.com", "annex.org"]);
    let email = (local, domain, 0..40u8).prop_map(|(local, domain, n)| format!("{local}{n}@{domain}"));
    let phone = prop::sample::select(vec!["+1 (415) 555-0123", "415.555.0199", "2125550123", "none", "", "☎ 41"]);
    (name(), name(), prop::option::of(email), prop::option::of(phone), prop::sample::select(Role::ALL.to_vec()))
        .prop_map(|(first, last, email, phone, role)| Person {
            first,
            last,
            email,
            phone: phone.map(str::to_owned),
            role,
        })
}

fn question() -> impl Strategy<Value = Question> {
    let term = prop::sample::select(vec![
        "a",
        "n",
        "an",
        "ANN",
        "lee",
        "ë",
        "ZOË",
        "zoe",
        "%",
        "_",
        "a_b",
        "0%",
        "σασ",
        "ΣΑΣ",
        "ς",
        "i",
        "ß",
        "ss",
        "李",
        "415",
        "(415)",
        "555-01",
        "+1",
        "-",
        "@",
        "example",
        ".org",
        "annlee",
        "e@",
        "1@e",
        "2125550123",
        "+",
        "()",
    ]);
    let search = prop::collection::vec(term, 0..3).prop_map(|terms| terms.join(" "));
    let key = prop::sample::select(vec![Role::Admin, Role::HippAdmin, Role::Clinician, Role::PayrollAdmin]);
    let role = prop::sample::select(Role::ALL.to_vec());
    let email = prop::sample::select(vec!["ANN1@example.com", "zoe2@annex.org", "nobody@example.com"]);
    let sort = prop::sample::select(vec![
        "",
        "createdAt_desc",
        "createdAt_asc",
        "createdAt_asc,updatedAt_desc",
        "updatedAt_desc",
        "updatedAt_asc,createdAt_desc",
    ]);
    let status = prop::sample::select(vec![None, Some("ACTIVE"), Some("DEACTIVATED"), Some("ALL")]);
    (
        key,
        prop::option::weighted(0.7, search),
        prop::option::weighted(0.3, role),
        status,
        prop::option::weighted(0.1, email),
        sort,
        1..5usize,
        prop::sample::select(vec![1, 2, 3, 7, 25, 100]),
    )
        .prop_map(|(key, search, role, status, email, sort, page, page_size)| Question {
            key,
            search,
            role,
            status,
            email: email.map(str::to_owned),
            sort,
            page,
            page_size,
        })
}

/// The roles design.md lets a key of this role read.
fn readable(key: Role) -> Vec<Role> {
    use Role::*;
    match key {
        Clinician => vec![Clinician, Technician, Patient, Caregiver],
        PayrollAdmin => vec![
            Admin,
            BillingManager,
            SchedulingManager,
            Clinician,
            Technician,
            ClinicalAdmin,
            PayrollAdmin,
            ClinicalSuperadmin,
        ],
        _ => Role::ALL.into_iter().filter(|role| *role != HippAdmin).collect(),
    }
}

/// As names are folded, of the letters that these people have.
fn folded(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase).filter(|c| !matches!(c, '\'' | '-' | '\u{307}'));
    let folded = lower.map(|c| match c {
        'ς' => "σ".to_owned(),
        'ß' => "ss".to_owned(),
        'ë' => "e".to_owned(),
        c => c.to_string(),
    });
    folded.collect()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

impl Person {
    fn has(&self, term: &str) -> bool {
        let in_text = [Some(&self.first), Some(&self.last), self.email.as_ref()];
        let in_text = in_text.into_iter().flatten().any(|text| folded(text).contains(&folded(term)));
        let number = digits(term);
        let like_a_phone = !number.is_empty() && term.chars().all(|c| c.is_ascii_digit() || "+-.()/".contains(c));
        in_text || like_a_phone && self.phone.as_ref().is_some_and(|phone| digits(phone).contains(&number))
    }
}

impl Question {
    fn query(&self, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("page", &page.to_string());
        query.append_pair("pageSize", &self.page_size.to_string());
        for (name, value) in [
            ("search", self.search.as_deref()),
            ("role", self.role.map(Role::as_str)),
            ("status", self.status),
            ("email", self.email.as_deref()),
            ("sort", Some(self.sort).filter(|sort| !sort.is_empty())),
        ] {
            value.map(|value| query.append_pair(name, value));
        }
        query.finish()
    }
}

/// What the whole list should be.
fn expected(people: &[Known], question: &Question) -> Vec<Value> {
    let readable = readable(question.key);
    let mut hits: Vec<&Known> = people
        .iter()
        .filter(|known| readable.contains(&known.person.role))
        .filter(|known| question.role.is_none_or(|role| known.person.role == role))
        .filter(|known| match question.status {
            None | Some("ACTIVE") => known.is_active,
            Some("DEACTIVATED") => !known.is_active,
            _ => true,
        })
        .filter(|known| question.email.as_ref().is_none_or(|email| known.person.has_email(email)))
        .filter(|known| {
            let mut terms = question.search.iter().flat_map(|terms| terms.split(' ')).filter(|term| !term.is_empty());
            terms.all(|term| known.person.has(term))
        })
        .collect();
    if question.sort.starts_with("updatedAt") {
        hits.sort_by_key(|known| known.updated);
    }
    if !question.sort.starts_with("createdAt_asc") && !question.sort.starts_with("updatedAt_asc") {
        hits.reverse();
    }
    let shown =
        |known: &Known| json!([known.id.as_str(), known.person.first, known.person.last, known.person.role.as_str()]);
    hits.into_iter().map(shown).collect()
}

impl Person {
    fn has_email(&self, email: &str) -> bool {
        self.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email))
    }

    fn new_user(&self) -> NewUser {
        let patch = self.patch(u8::MAX);
        NewUser {
            role: self.role,
            email: patch.email.flatten(),
            phone: patch.phone.flatten(),
            ..NewUser::named(patch.first_name.expect("given"), patch.last_name.expect("given"))
        }
    }

    /// What makes somebody like this person, in some of the fields.
    fn patch(&self, fields: u8) -> Patch {
        let is_given = |nth: u8| fields & 1 << nth != 0;
        let email = || self.email.as_ref().map(|email| email.parse().expect("an e-mail"));
        let phone = || self.phone.as_ref().map(|phone| phone.parse().expect("a phone"));
        Patch {
            first_name: is_given(0).then(|| self.first.parse().expect("a name")),
            last_name: is_given(1).then(|| self.last.parse().expect("a name")),
            email: is_given(2).then(email),
            phone: is_given(3).then(phone),
            role: is_given(4).then_some(self.role),
            ..Patch::default()
        }
    }

    fn become_like(&mut self, other: &Person, fields: u8) {
        let is_given = |nth: u8| fields & 1 << nth != 0;
        fn set<T: Clone>(field: &mut T, value: &T, is_given: bool) {
            if is_given {
                field.clone_from(value);
            }
        }
        set(&mut self.first, &other.first, is_given(0));
        set(&mut self.last, &other.last, is_given(1));
        set(&mut self.email, &other.email, is_given(2));
        set(&mut self.phone, &other.phone, is_given(3));
        set(&mut self.role, &other.role, is_given(4));
    }
}

/// Whether somebody who is active has the e-mail: somebody else than the n-th.
fn is_taken(people: &[Known], email: Option<&String>, but: Option<usize>) -> bool {
    let others = people.iter().enumerate().filter(|(nth, known)| Some(*nth) != but && known.is_active);
    email.is_some_and(|email| others.into_iter().any(|(_, known)| known.person.has_email(email)))
}

/// Does it, by one of the processes, and in the model.
async fn happen(org: &Organization<'_>, process: &Roster, people: &mut Vec<Known>, act: &Act, number: i64) {
    let (app, operator) = (process.app(), &org.operator);
    let nth = match act {
        Act::Create(person) => {
            let created = app.create_user(operator, person.new_user(), None).await;
            assert_eq!(created.is_err(), is_taken(people, person.email.as_ref(), None), "{act:?}");
            if let Ok(created) = created {
                people.push(Known { id: created.user.id, person: person.clone(), is_active: true, updated: number });
            }
            return;
        }
        Act::Change(nth, ..) | Act::Deactivate(nth) | Act::Restore(nth, _) | Act::Erase(nth) => *nth,
    };
    if people.is_empty() {
        return;
    }
    let nth = nth % people.len();
    let (id, any) = (people[nth].id, Meant::Any);
    let mut after = people[nth].person.clone();
    let (is_active, acted) = match act {
        Act::Change(_, person, fields) => {
            after.become_like(person, *fields);
            (people[nth].is_active, app.update_user(operator, id, &any, &person.patch(*fields)).await)
        }
        Act::Deactivate(_) => (false, app.deactivate_user(operator, id, &any, None, None).await),
        Act::Restore(_, email) => {
            // Who is active is not given another.
            let email = email.clone().filter(|_| !people[nth].is_active);
            after.email = email.clone().or(after.email);
            let email = email.map(|email| email.parse().expect("an e-mail"));
            (true, app.restore_user(operator, id, &any, email, None).await)
        }
        _ => {
            let erased = app.erase_user(operator, id, &any).await;
            assert_eq!(erased.is_err(), people[nth].is_active, "{act:?}");
            if erased.is_ok() {
                people.remove(nth);
            }
            return;
        }
    };
    let is_refused = is_active && is_taken(people, after.email.as_ref(), Some(nth));
    assert_eq!(acted.is_err(), is_refused, "{act:?}");
    let known = &mut people[nth];
    if !is_refused && (&known.person, known.is_active) != (&after, is_active) {
        *known = Known { id, person: after, is_active, updated: number };
    }
}

/// What a page shows.
fn shown(list: &Value) -> Vec<Value> {
    let users = list["data"].as_array().expect("a list").iter();
    users.map(|user| json!([user["publicId"], user["firstName"], user["lastName"], user["role"]])).collect()
}

async fn ask(client: &Client<'_>, people: &[Known], question: &Question) {
    let all = expected(people, question);
    let answer = client.get(&format!("/api/v1/users?{}", question.query(question.page))).await;
    assert_eq!(answer.status, StatusCode::OK, "{question:?} {answer}");
    let page = all.iter().skip((question.page - 1) * question.page_size).take(question.page_size);
    assert_eq!(shown(&answer.body), page.cloned().collect::<Vec<_>>(), "{question:?}");
    let total = all.len();
    let pagination = json!({
        "page": question.page, "pageSize": question.page_size, "totalCount": total,
        "totalPages": total.div_ceil(question.page_size)
    });
    assert_eq!(answer.body["pagination"], pagination, "{question:?}");

    // From link to link it is the whole list.
    if total <= 12 * question.page_size {
        let (mut read, mut query) = (Vec::new(), Some(question.query(1)));
        while let Some(page) = query {
            let answer = client.get(&format!("/api/v1/users?{page}")).await;
            assert_eq!(answer.body["pagination"]["totalCount"], total, "{question:?} {answer}");
            read.extend(shown(&answer.body));
            let next = answer.header("link").strip_prefix("<?").and_then(|link| link.strip_suffix(">; rel=\"next\""));
            query = next.map(str::to_owned);
        }
        assert_eq!(read, all, "{question:?}");
    }
}

async fn check(here: Vec<Act>, there: Vec<Act>, questions: Vec<Question>) {
    let roster = Roster::new();
    let beside = roster.again();
    let (one, two) = (roster.organization("Here").await, roster.organization("There").await);
    let (mut here_now, mut there_now) = (Vec::new(), Vec::new());
    let mut number = 0;
    let mut there = there.chunks(10);
    for acts in here.chunks(30) {
        for (org, people, acts) in
            [(&two, &mut there_now, there.next().unwrap_or_default()), (&one, &mut here_now, acts)]
        {
            for act in acts {
                number += 1;
                let process = if number % 3 == 0 { &beside } else { &roster };
                for process in [&roster, &beside] {
                    process.set_clock(NOW + number * 1_000);
                }
                happen(org, process, people, act, number).await;
            }
        }
        for (org, people) in [(&one, &here_now), (&two, &there_now)] {
            for (nth, question) in questions.iter().enumerate() {
                let client = org.key(question.key).await;
                let client = if nth % 2 == 0 { client.at(&beside) } else { client };
                ask(&client, people, question).await;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_is_what_reading_everybody_would_answer(
        here in prop::collection::vec(act(), 1..120),
        there in prop::collection::vec(act(), 0..40),
        questions in prop::collection::vec(question(), 30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(check(here, there, questions));
    }
}
