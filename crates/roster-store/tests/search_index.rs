//! What is kept behind the writer proposes and never decides: with it and without it, a list has the same answer.

use std::collections::BTreeSet;

use roster_directory::{
    Actor, Change, NewUser, Organization, OrganizationId, Query, Role, RoleSet, Timestamp, User, UserId, Write,
    audit::{Action, Entry, RequestId, Roles, Target},
    query::{Order, Page, SortKey},
    search::Terms,
    user::Diff,
};
use roster_store::{Location, Options, Store};

/// These tests ask what is written, and not how soon: a busy machine takes long over a large batch.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Users of a block of the index. Those beyond the last one are in a chunk of their own, and what is beyond the last
/// full chunk is read one by one.
const BLOCK: u32 = 1 << 16;
const CHUNK: u32 = 1 << 13;

const FIRST: [&str; 8] = ["Ann", "Zoë", "李", "Mary Ann", "O'Neil", "ΟΔΥΣΣΕΥΣ", "Jo", "100%"];
const LAST: [&str; 7] = ["Lee", "Doe", "Smith-Lee", "Brandt", "a_b", "Straße", "Ng"];

fn organization(n: u128) -> Organization {
    let name = "Example Organization".parse().expect("a name");
    Organization::new(OrganizationId::new(n), name, Timestamp::from_millis(0))
}

fn entry(target: Target, action: Action) -> Entry {
    let (at, request) = (Timestamp::from_millis(0), RequestId::new(1));
    Entry { at, actor: Actor::CommandLine, action, target, fields: String::new(), roles: Roles::default(), request }
}

async fn add_organization(store: &Store, organization: &Organization) {
    let change = Change {
        organization: organization.id,
        audit: entry(Target::Organization(organization.id), Action::OrganizationCreated),
        writes: vec![Write::Organization(organization.clone())],
        owed: Vec::new(),
        answer: None,
    };
    store.commit(change).await.expect("a new organization");
}

/// The n-th user: names repeat with short periods, e-mails and phones are one's own.
fn user(n: u32) -> User {
    let pick = |texts: &[&str], step: u32| texts[(n / step) as usize % texts.len()].to_owned();
    let new = NewUser::named(pick(&FIRST, 1).parse().expect("a name"), pick(&LAST, 3).parse().expect("a name"));
    let new = NewUser {
        email: (!n.is_multiple_of(3)).then(|| format!("user{n}@example.com").parse().expect("an e-mail")),
        role: Role::ALL[n as usize % Role::ALL.len()],
        phone: n
            .is_multiple_of(5)
            .then(|| format!("+1 (415) {:03}-{:04}", n / 10_000, n % 10_000).parse().expect("a phone")),
        ..new
    };
    let id = UserId::new(Timestamp::from_millis(1_736_937_000_000), u128::from(n) + 1);
    new.into_user(id, Vec::new(), Timestamp::from_millis(0))
}

/// Creates users, as many changes under way at once as the store's queue takes.
async fn add_users(store: &Store, organization: OrganizationId, numbers: std::ops::Range<u32>) {
    let numbers: Vec<u32> = numbers.collect();
    for some in numbers.chunks(1_000) {
        let changes = some.iter().map(|n| {
            let user = user(*n);
            let change = Change {
                organization,
                audit: entry(Target::User(user.id), Action::UserCreated),
                writes: vec![Write::User(Box::new(Diff::Created(user)))],
                owed: Vec::new(),
                answer: None,
            };
            let store = store.clone();
            tokio::spawn(async move { store.commit(change).await })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.expect("no panic").expect("a new user");
        }
    }
}

/// What was found: ids of the page, and the total.
type Found = (Vec<UserId>, u64);

/// Asks every search in every way, of an organization.
async fn ask_everything(store: &Store, organization: OrganizationId, count: u32) -> Vec<(String, Found)> {
    let mut answers = Vec::new();
    let id = |n: u32| user(n).id.to_string();
    for search in [
        "ann".to_owned(),
        "ANN lee".into(),
        "mary an".into(),
        "zoë".into(),
        "zo".into(),
        "n".into(),
        "李".into(),
        "οδυσσευσ".into(),
        "ß".into(),
        "straße 415".into(),
        "%".into(),
        "00%".into(),
        "a_b".into(),
        "a%b".into(),
        "example.com".into(),
        "user777@example.com".into(),
        format!("user{}@", count - 2),
        format!("user{}@", CHUNK - 1),
        format!("user{}@", CHUNK + 1),
        format!("user{}@", BLOCK - 1),
        format!("user{}@", BLOCK + 1),
        format!("user{}@", BLOCK + CHUNK + 1),
        "user1638".into(),
        "(415) 001".into(),
        "415001".into(),
        "001-6385".into(),
        "4150015".into(),
        "12".into(),
        "-1".into(),
        id(0),
        id(CHUNK - 1),
        id(CHUNK),
        id(BLOCK),
        id(BLOCK + CHUNK),
        id(count - 1),
        format!("{} zzz", id(5)),
        id(5).to_uppercase(),
        "usr_1736937000".into(),
        "nobody at all".into(),
        "zzz".into(),
        "annlee".into(),
    ] {
        for (order, role, number, size) in [
            (Order::NewestFirst, None, 1, 25),
            (Order::OldestFirst, None, 7, 100),
            (Order::NewestFirst, Some(Role::Patient), 3, 1),
            (Order::OldestFirst, Some(Role::HippAdmin), 1, 1),
        ] {
            let query = Query {
                visible: RoleSet::EVERYONE_LISTED,
                role,
                status: None,
                whole: false,
                email: None,
                search: Terms::parse(&search).expect("a search"),
                key: SortKey::CreatedAt,
                order,
                after: None,
                after_turn: None,
                page: Page { number, size },
            };
            let listing = store.list(organization, query).await.expect("a list");
            let ids = listing.users.iter().map(|user| user.profile.id).collect();
            answers.push((format!("{search} {order:?} {role:?} {number} {size}"), (ids, listing.total)));
        }
    }
    answers
}

/// Asks for pages near either end and in the middle, of roles alone and together.
async fn turn_pages(store: &Store, organization: OrganizationId) -> Vec<(String, Found)> {
    let of_clinician = RoleSet::of(&[Role::Clinician, Role::Technician, Role::Patient, Role::Caregiver]);
    let mut answers = Vec::new();
    for (visible, role) in
        [(RoleSet::ALL, Some(Role::Patient)), (of_clinician, None), (of_clinician, Some(Role::Technician))]
    {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            for (number, size) in [(1, 25), (21, 100), (28, 100), (30, 100), (31, 99), (32, 100), (62, 100), (100, 77)]
                .into_iter()
                .chain((40..=240).step_by(25).map(|number| (number, 100)))
            {
                let page = Page { number, size };
                let (email, search) = (None, Terms::parse("").expect("a search"));
                let (status, whole, key, after_turn) = (None, false, SortKey::CreatedAt, None);
                let query =
                    Query { visible, role, status, whole, email, search, key, order, after: None, after_turn, page };
                let listing = store.list(organization, query).await.expect("a list");
                let ids = listing.users.iter().map(|user| user.profile.id).collect();
                answers.push((format!("{role:?} {order:?} {number} {size}"), (ids, listing.total)));
            }
        }
    }
    answers
}

fn same(indexed: Vec<(String, Found)>, read: Vec<(String, Found)>) {
    assert_eq!(indexed.len(), read.len());
    for ((question, indexed), (_, read)) in indexed.into_iter().zip(read) {
        assert_eq!(indexed, read, "{question}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_has_the_same_answer_with_the_index_and_without() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let location = Location::Sqlite(dir.path().join("roster.db"));
    let without_index = Options { index: false, patience: PATIENCE, ..Options::default() };
    let (ours, neighbor) = (organization(1), organization(2));
    let count = BLOCK + CHUNK + 700;

    // Nothing is indexed yet: every user is read.
    let store = Store::open(&location, &without_index).await.expect("a new database");
    add_organization(&store, &ours).await;
    add_organization(&store, &neighbor).await;
    add_users(&store, ours.id, 0..count).await;
    add_users(&store, neighbor.id, count..count + 50).await;
    let read = ask_everything(&store, ours.id, count).await;
    let of_neighbor = ask_everything(&store, neighbor.id, count).await;
    let pages = turn_pages(&store, ours.id).await;
    let found: BTreeSet<u64> = read.iter().map(|(_, (_, total))| *total).collect();
    assert!(found.len() > 20 && found.contains(&0) && found.contains(&1), "searches of all sizes: {found:?}");
    drop(store);

    // A block and a chunk are indexed, the rest is still read.
    let store = Store::open(&location, &Options::default()).await.expect("the same database");
    store.search_index_settled().await;
    let index = rusqlite::Connection::open(dir.path().join("roster.db")).expect("the same file");
    let one = |sql: &str| index.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    assert_eq!(one("select count(*) from search_piece where chunk in (-1, 8) and finished = 1"), 2);
    assert_eq!(one("select count(*) from search_piece"), 2, "the chunks of the block are gone");
    let left = "select count(*) from search_posting where place >> 24 not in (select number from search_piece)";
    assert_eq!(one(left), 0, "and their postings");
    assert_eq!(one("select counted from organization where number = 1"), 9);
    same(ask_everything(&store, ours.id, count).await, read);
    same(turn_pages(&store, ours.id).await, pages);
    same(ask_everything(&store, neighbor.id, count).await, of_neighbor);

    // What comes after the index was made is found at once.
    let late = count + 50;
    add_users(&store, ours.id, late..late + 1).await;
    let query = Query {
        visible: RoleSet::EVERYONE_LISTED,
        role: None,
        status: None,
        whole: false,
        email: None,
        search: Terms::parse(user(late).id.as_str()).expect("a search"),
        key: SortKey::CreatedAt,
        order: Order::default(),
        page: Page::default(),
        after: None,
        after_turn: None,
    };
    let listing = store.list(ours.id, query).await.expect("a list");
    assert_eq!((listing.total, listing.users[0].profile.id), (1, user(late).id));
}
