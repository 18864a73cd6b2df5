//! Lists compared with what reading everybody, one after another, would answer.

use hyper::StatusCode;
use proptest::prelude::*;
use roster_directory::{NewUser, Role};
use serde_json::{Value, json};

use crate::roster::{Organization, Roster};

/// Somebody, as the model knows them.
#[derive(Debug, Clone)]
struct Person {
    first: String,
    last: String,
    email: Option<String>,
    phone: Option<String>,
    role: Role,
}

#[derive(Debug, Clone)]
struct Question {
    key: Role,
    search: Option<String>,
    role: Option<Role>,
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
    let sort = prop::sample::select(vec!["", "createdAt_desc", "createdAt_asc", "updatedAt_asc,createdAt_desc"]);
    (
        key,
        prop::option::weighted(0.7, search),
        prop::option::weighted(0.3, role),
        prop::option::weighted(0.1, email),
        sort,
        1..5usize,
        prop::sample::select(vec![1, 2, 3, 7, 25, 100]),
    )
        .prop_map(|(key, search, role, email, sort, page, page_size)| Question {
            key,
            search,
            role,
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
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("page", &self.page.to_string());
        query.append_pair("pageSize", &self.page_size.to_string());
        for (name, value) in [
            ("search", self.search.as_deref()),
            ("role", self.role.map(Role::as_str)),
            ("email", self.email.as_deref()),
            ("sort", Some(self.sort).filter(|sort| !sort.is_empty())),
        ] {
            value.map(|value| query.append_pair(name, value));
        }
        query.finish()
    }
}

/// What the answer should be: names of the page, and the total.
fn expected(people: &[Person], question: &Question) -> (Vec<Value>, usize) {
    let readable = readable(question.key);
    let mut hits: Vec<&Person> = people
        .iter()
        .filter(|person| readable.contains(&person.role))
        .filter(|person| question.role.is_none_or(|role| person.role == role))
        .filter(|person| {
            let same = |email: &String| person.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email));
            question.email.as_ref().is_none_or(same)
        })
        .filter(|person| {
            question
                .search
                .as_ref()
                .is_none_or(|terms| terms.split(' ').filter(|t| !t.is_empty()).all(|t| person.has(t)))
        })
        .collect();
    if !question.sort.starts_with("createdAt_asc") && !question.sort.starts_with("updatedAt_asc") {
        hits.reverse();
    }
    let total = hits.len();
    let page = hits.into_iter().skip((question.page - 1) * question.page_size).take(question.page_size);
    (page.map(|person| json!([person.first, person.last, person.role.as_str()])).collect(), total)
}

/// Creates them, and returns those who are there: some ask for an e-mail that is taken.
async fn create(org: &Organization<'_>, roster: &Roster, people: &[Person]) -> Vec<Person> {
    let mut created = Vec::new();
    for person in people {
        let name = |text: &str| text.parse().expect("a name");
        let new = NewUser {
            role: person.role,
            email: person.email.as_ref().map(|email| email.parse().expect("an e-mail")),
            phone: person.phone.as_ref().map(|phone| phone.parse().expect("a phone")),
            ..NewUser::named(name(&person.first), name(&person.last))
        };
        let taken = person.email.as_ref().is_some_and(|email| {
            created.iter().any(|other: &Person| other.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email)))
        });
        let answer = roster.app().create_user(&org.operator, new).await;
        assert_eq!(answer.is_err(), taken, "{person:?}");
        if !taken {
            created.push(person.clone());
        }
    }
    created
}

async fn check(here: Vec<Person>, there: Vec<Person>, questions: Vec<Question>) {
    let roster = Roster::new();
    let (one, two) = (roster.organization("Here").await, roster.organization("There").await);
    let there = create(&two, &roster, &there).await;
    let here = create(&one, &roster, &here).await;
    for (org, people) in [(&one, &here), (&two, &there)] {
        for question in &questions {
            let client = org.key(question.key).await;
            let answer = client.get(&format!("/api/v1/users?{}", question.query())).await;
            assert_eq!(answer.status, StatusCode::OK, "{question:?} {answer}");
            let (page, total) = expected(people, question);
            let users = answer.body["data"].as_array().expect("a list").iter();
            let users: Vec<Value> =
                users.map(|user| json!([user["firstName"], user["lastName"], user["role"]])).collect();
            assert_eq!(users, page, "{question:?}");
            let pagination = json!({
                "page": question.page, "pageSize": question.page_size, "totalCount": total,
                "totalPages": total.div_ceil(question.page_size)
            });
            assert_eq!(answer.body["pagination"], pagination, "{question:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_is_what_reading_everybody_would_answer(
        here in prop::collection::vec(person(), 0..50),
        there in prop::collection::vec(person(), 0..20),
        questions in prop::collection::vec(question(), 30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(check(here, there, questions));
    }
}
