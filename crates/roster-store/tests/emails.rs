//! An e-mail is one user's, wherever its entry lies: waiting, on its way, or in the index.

use std::collections::HashMap;

use roster_directory::{
    Actor, Change, NewUser, Organization, OrganizationId, Query, RoleSet, Timestamp, User, UserId, Write,
    audit::{Action, Entry, RequestId, Roles, Target},
    query::{Order, Page, SortKey},
    search::Terms,
    user::{Diff, Email},
};
use roster_store::{Error, Location, Options, Store};

/// These tests ask what is written, and not how soon: a busy machine takes long over a large batch.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Users whose e-mails are taken from as many again: about a third are refused.
const USERS: u32 = 6_000;

/// Opened anew after so many.
const RESTARTS: u32 = 700;

#[tokio::test(flavor = "multi_thread")]
async fn an_email_is_one_users_whatever_moves_and_whoever_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Sqlite(folder.path().join("roster.db"));
    // Few may wait, so that a round over the hashes ends every thousand users.
    let options = Options { index: false, waiting_emails: 300, patience: PATIENCE, ..Options::default() };
    let organizations = [OrganizationId::new(1), OrganizationId::new(2)];
    let (mut store, mut other) = (open(&location, &options).await, open(&location, &options).await);
    for organization in organizations {
        store.commit(new_organization(organization)).await.expect("a new organization");
    }

    let mut owners: HashMap<(OrganizationId, u32), UserId> = HashMap::new();
    for n in 0..USERS {
        // A fixed walk that meets many e-mails twice.
        let which = (n.wrapping_mul(2_654_435_761) >> 8) % (USERS / 2);
        let organization = organizations[n as usize % 2];
        let user = user(n, Some(&address(which)));
        let id = user.id;
        // Two writers of one file take turns.
        let writer = if n / 50 % 2 == 0 { &store } else { &other };
        let answer = writer.commit(creation(organization, user)).await;
        match owners.get(&(organization, which)) {
            Some(_) => assert!(matches!(answer, Err(Error::EmailTaken)), "{which} is taken, and {n} got it"),
            None => {
                answer.unwrap_or_else(|error| panic!("{which} is free, and {n} was refused: {error}"));
                owners.insert((organization, which), id);
            }
        }
        if n % RESTARTS == RESTARTS - 1 {
            drop((store, other));
            (store, other) = (open(&location, &options).await, open(&location, &options).await);
        }
        if n % 1_000 == 999 {
            check(&store, &owners, organizations).await;
            check(&other, &owners, organizations).await;
        }
    }
    assert!((3_000..5_000).contains(&owners.len()), "{} owners", owners.len());

    // The table that says what waits was cleared as it went.
    drop((store, other));
    let file = rusqlite::Connection::open(folder.path().join("roster.db")).expect("the file");
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    assert!(count("select count(*) from email_place") > owners.len() as i64 - 1_000);
    assert!(count("select count(*) from email_recent") < 2_500, "{}", count("select count(*) from email_recent"));
}

/// Many at once, in batches of which some sink: what came to nothing holds no e-mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_sinks_leaves_no_email_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Sqlite(folder.path().join("roster.db"));
    let options = Options { index: false, waiting_emails: 100, patience: PATIENCE, ..Options::default() };
    let store = open(&location, &options).await;
    let organization = OrganizationId::new(1);
    store.commit(new_organization(organization)).await.expect("a new organization");

    for round in 0..20 {
        let creations = (0..100).map(|n| {
            // Every tenth has the id of another, which no table takes twice, and sinks the batch it is in.
            let number = round * 100 + n;
            let id = if n % 10 == 9 { number - 1 } else { number };
            let mut user = user(number, Some(&address(number)));
            user.id = UserId::new(Timestamp::from_millis(1_736_937_000_000), u128::from(id) + 1);
            let store = store.clone();
            tokio::spawn(async move { store.commit(creation(organization, user)).await.is_ok() })
        });
        let mut created = 0;
        for creation in creations.collect::<Vec<_>>() {
            created += u32::from(creation.await.expect("no panic"));
        }
        assert_eq!(created, 90);
    }
    // Ten of each hundred came to nothing: their e-mails are free, and the others' are not.
    for number in 0..2_000 {
        let answer = store.commit(creation(organization, user(10_000 + number, Some(&address(number))))).await;
        let pair = number % 10 >= 8;
        assert!(pair || matches!(answer, Err(Error::EmailTaken)), "{number}: {answer:?}");
    }
    let file = rusqlite::Connection::open(folder.path().join("roster.db")).expect("the file");
    let twice = "select count(*) - count(distinct email_key) from users";
    assert_eq!(file.query_row(twice, [], |row| row.get::<_, i64>(0)).expect("a number"), 0);
    assert_eq!(file.query_row("select count(*) from users", [], |row| row.get::<_, i64>(0)).expect("a number"), 2_000);

    // An entry says where to look, not whom it is: if all point to one user, nobody else is taken for them.
    drop(store);
    file.execute_batch("update email_place set place = (select max(place) from users); delete from email_recent")
        .expect("changed by hand");
    let store = open(&location, &options).await;
    let mut found = 0;
    for number in 0..2_000 {
        found += by_email(&store, organization, number).await.len();
    }
    assert!(found <= 1, "{found}");
}

/// However large the batches, no more wait than may.
#[tokio::test(flavor = "multi_thread")]
async fn large_batches_move_as_many_as_they_add() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Sqlite(folder.path().join("roster.db"));
    let options = Options {
        index: false,
        queue: 40_000,
        batch: 4_096,
        waiting_emails: 1_000,
        patience: PATIENCE,
        ..Options::default()
    };
    let store = open(&location, &options).await;
    let organization = OrganizationId::new(1);
    store.commit(new_organization(organization)).await.expect("a new organization");
    // Another process looks before and after, and meanwhile most rows go that it never read.
    let other = open(&location, &options).await;
    assert!(by_email(&other, organization, 0).await.is_empty());
    let creations = (0..40_000).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.commit(creation(organization, user(n, Some(&address(n))))).await })
    });
    for creation in creations.collect::<Vec<_>>() {
        creation.await.expect("no panic").expect("a new user");
    }
    for which in 0..40_000 {
        assert_eq!(by_email(&other, organization, which).await.len(), 1, "{}", address(which));
    }
    let file = rusqlite::Connection::open(folder.path().join("roster.db")).expect("the file");
    let moved: i64 = file.query_row("select count(*) from email_place", [], |row| row.get(0)).expect("a number");
    // A round over the hashes may end with the last batches.
    assert!(moved > 40_000 - 1_000 - 3 * 4_096, "{moved}");
}

/// What one process began the next one goes on with: however soon each ends, no more wait than may.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_end_soon_move_what_waits_as_one_that_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Sqlite(folder.path().join("roster.db"));
    let options = Options { index: false, waiting_emails: 300, patience: PATIENCE, ..Options::default() };
    let organization = OrganizationId::new(1);
    open(&location, &options).await.commit(new_organization(organization)).await.expect("a new organization");
    let file = rusqlite::Connection::open(folder.path().join("roster.db")).expect("the file");
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a number");
    for each in [1, 7, 40] {
        let before = count("select count(*) from users") as u32;
        for process in 0..1_600 / each {
            let store = open(&location, &options).await;
            for n in before + process * each..before + (process + 1) * each {
                store.commit(creation(organization, user(n, Some(&address(n))))).await.expect("a new user");
            }
        }
        // A round takes as many users as twice what may wait; rows are kept of the one under way and the one before.
        let (users, moved) = (count("select count(*) from users"), count("select count(*) from email_place"));
        assert!(users - moved < 300 + 100, "{each}: of {users} only {moved} have moved");
        let kept = count("select sum(length(entries)) / 16 from email_recent");
        assert!(kept < 5 * 300, "{each}: {kept} entries are kept");
    }
    let store = open(&location, &options).await;
    for which in 0..4_000 {
        let found = by_email(&store, organization, which).await.len();
        assert_eq!(found, usize::from(i64::from(which) < count("select count(*) from users")), "{}", address(which));
    }
}

async fn open(location: &Location, options: &Options) -> Store {
    Store::open(location, options).await.expect("a store")
}

/// Everybody is found by their e-mail, in their organization and in no other.
async fn check(store: &Store, owners: &HashMap<(OrganizationId, u32), UserId>, organizations: [OrganizationId; 2]) {
    for which in (0..USERS / 2).step_by(7) {
        for organization in organizations {
            let found = by_email(store, organization, which).await;
            let owner: Vec<UserId> = owners.get(&(organization, which)).copied().into_iter().collect();
            assert_eq!(found, owner, "{}", address(which));
        }
    }
}

async fn by_email(store: &Store, organization: OrganizationId, which: u32) -> Vec<UserId> {
    let query = Query {
        visible: RoleSet::ALL,
        role: None,
        status: None,
        whole: false,
        email: Some(address(which).parse::<Email>().expect("an e-mail").key()),
        search: Terms::parse("").expect("a search"),
        key: SortKey::CreatedAt,
        order: Order::NewestFirst,
        after: None,
        after_turn: None,
        page: Page { number: 1, size: 10 },
    };
    let found = store.list(organization, query).await.expect("a list");
    found.users.iter().map(|user| user.profile.id).collect()
}

fn address(which: u32) -> String {
    format!("user{which}@example.com")
}

fn user(n: u32, email: Option<&str>) -> User {
    let new = NewUser::named("Ann".parse().expect("a name"), "Lee".parse().expect("a name"));
    let id = UserId::new(Timestamp::from_millis(1_736_937_000_000), u128::from(n) + 1);
    let email = email.map(|email| email.parse().expect("an e-mail"));
    NewUser { email, ..new }.into_user(id, Vec::new(), Timestamp::from_millis(0))
}

fn new_organization(id: OrganizationId) -> Change {
    let name = "Example Organization".parse().expect("a name");
    let organization = Organization::new(id, name, Timestamp::from_millis(0));
    let audit = entry(Target::Organization(id), Action::OrganizationCreated);
    Change { organization: id, audit, writes: vec![Write::Organization(organization)], owed: Vec::new(), answer: None }
}

fn creation(organization: OrganizationId, user: User) -> Change {
    let audit = entry(Target::User(user.id), Action::UserCreated);
    Change {
        organization,
        audit,
        writes: vec![Write::User(Box::new(Diff::Created(user)))],
        owed: Vec::new(),
        answer: None,
    }
}

fn entry(target: Target, action: Action) -> Entry {
    let (at, request) = (Timestamp::from_millis(0), RequestId::new(1));
    Entry { at, actor: Actor::CommandLine, action, target, fields: String::new(), roles: Roles::default(), request }
}
