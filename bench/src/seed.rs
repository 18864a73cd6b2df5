//! Databases of one organization and many users, made once and kept in target/bench-data.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use roster_directory::{
    Actor, Change, Message, MessageId, NewUser, Organization, OrganizationId, Role, Timestamp, Write,
    audit::{Action, Entry, RequestId, Roles, Target},
    credential::RecertificationDate,
    npi::NpiNumber,
    outbox::Content,
    phone::PhoneNumber,
    user::{Diff, Email, PersonName},
};
use roster_store::{Location, Options, Store};

use crate::people::{self, NPI, Person, RECERTIFICATION, mix};

/// Commits under way at once, and so the users of one fsync.
const AT_ONCE: usize = 4_096;

/// The `nth` organization. Each has as many people as the others, one after the other, as imports would bring them.
pub(crate) fn organization(nth: u64) -> OrganizationId {
    OrganizationId::new(7 + u128::from(nth))
}

/// The database of so many users, made if it was not yet. It is kept: copy it to write to it.
pub(crate) fn database(folder: &Path, users: u64, organizations: u64) -> anyhow::Result<PathBuf> {
    // A database of another schema, or of other people, is of no use, and its name says so.
    let made_of = [crate::sqlite::SCHEMA, include_str!("people.rs"), include_str!("seed.rs")].concat();
    let sum = made_of.bytes().fold(1, |sum, byte| mix(sum ^ u64::from(byte))) & 0xffff_ffff;
    let name = format!("users-{users}-in-{organizations}");
    let path = folder.join(format!("{name}-{sum:08x}.db"));
    if !path.exists() {
        forget(folder, &format!("{name}-"))?;
        let begin = Instant::now();
        let unfinished = folder.join(format!("unfinished-{name}.db"));
        forget(folder, &format!("unfinished-{name}."))?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(fill(
            &Location::Sqlite(unfinished.clone()),
            users,
            organizations,
        ))?;
        fs::rename(&unfinished, &path)?;
        eprintln!("made a database of {users} users in {:.0} s", begin.elapsed().as_secs_f64());
    }
    Ok(path)
}

/// Fills a database that is elsewhere, and prints the organization's id.
pub(crate) fn into(location: &Location, users: u64) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(fill(location, users, 1))?;
    println!("{}", organization(0));
    Ok(())
}

/// Removes what is of no use any more.
fn forget(folder: &Path, prefix: &str) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A copy that can be written to, safely on disk, so that nothing of the copying is left to do while it is measured.
pub(crate) fn copy(database: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(database, to).with_context(|| format!("cannot copy {}", database.display()))?;
    Ok(fs::File::open(to)?.sync_all()?)
}

async fn fill(location: &Location, users: u64, organizations: u64) -> anyhow::Result<()> {
    let options = Options { queue: AT_ONCE * 2, batch: AT_ONCE, checkpoint_pages: 20_000, ..Options::default() };
    let store = Store::open(location, &options).await?;
    for nth in 0..organizations {
        store.commit(found(nth)).await?;
    }
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (store, next) = (store.clone(), next.clone());
        tasks.spawn(async move {
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= users {
                    return anyhow::Ok(());
                }
                store.commit(create(nth, organization(nth * organizations / users))?).await?;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    store.search_index_settled().await;
    Ok(())
}

fn found(nth: u64) -> Change {
    let at = Timestamp::from_millis(Person::created_at(0));
    let id = organization(nth);
    let name = "Bench Organization".parse().expect("a name");
    Change {
        organization: id,
        writes: vec![Write::Organization(Organization::new(id, name, at))],
        audit: entry(at, Action::OrganizationCreated, Target::Organization(id), "name".to_owned(), 0),
        owed: Vec::new(),
        answer: None,
    }
}

/// What the app makes of a create.
fn create(nth: u64, organization: OrganizationId) -> anyhow::Result<Change> {
    let person = Person::nth(nth);
    let at = Timestamp::from_millis(Person::created_at(nth));
    let bad = || anyhow::anyhow!("person {nth} is not well-formed");
    let new = NewUser {
        email: Some(Email::parse(&person.email).map_err(|_| anyhow::anyhow!("not an e-mail: {}", person.email))?),
        role: if people::is_hidden(nth) { Role::HippAdmin } else { person.role },
        phone: Some(PhoneNumber::parse(&person.phone).map_err(|_| bad())?),
        npi: Some(NpiNumber::parse(NPI).map_err(|_| bad())?),
        should_send_sms: true,
        recertification: Some(RecertificationDate::parse(RECERTIFICATION).map_err(|_| bad())?),
        ..NewUser::named(
            PersonName::parse(person.first_name).map_err(|_| bad())?,
            PersonName::parse(&person.last_name).map_err(|_| bad())?,
        )
    };
    let diff = Diff::Created(new.into_user(person.id, Vec::new(), at));
    let user = diff.user();
    let message = Message { id: message_id(nth), content: Content::WelcomeSms(user.id), at };
    let entry = entry(at, Action::UserCreated, Target::User(user.id), diff.fields(), nth);
    Ok(Change {
        organization,
        audit: Entry { roles: diff.roles(), ..entry },
        writes: vec![Write::User(Box::new(diff))],
        owed: vec![message],
        answer: None,
    })
}

fn entry(at: Timestamp, action: Action, target: Target, fields: String, nth: u64) -> Entry {
    let (actor, request) = (Actor::CommandLine, RequestId::new(mix(nth)));
    Entry { at, actor, action, target, fields, roles: Roles::default(), request }
}

/// The message owed to the `nth` person.
pub(crate) fn message_id(nth: u64) -> MessageId {
    MessageId::new(
        Timestamp::from_millis(Person::created_at(nth)),
        u128::from(mix(nth)) << 64 | u128::from(people::mix(!nth)),
    )
}
