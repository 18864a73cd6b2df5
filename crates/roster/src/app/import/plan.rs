//! Deciding what each row is: somebody new, a change of somebody, or nothing.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use roster_directory::{
    Flaw, NewUser, User, UserId,
    issue::Code,
    npi::NpiNumber,
    user::{EmailKey, ExternalId, Metadata, Patch, Warning},
};
use roster_store::Sought;

use super::{By, Given, How, Incoming, Outcome, Refusal, is_the_rows};
use crate::app::{App, Caller, Error, users::Planned};

/// What is one person's only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Id(UserId),
    Email(EmailKey),
    ExternalId(ExternalId),
    Npi(Box<str>),
}

impl Key {
    fn field(&self) -> &'static str {
        match self {
            Key::Id(_) => By::PublicId.as_str(),
            Key::Email(_) => By::Email.as_str(),
            Key::ExternalId(_) => By::ExternalId.as_str(),
            Key::Npi(_) => By::Npi.as_str(),
        }
    }
}

/// Which row wants what. A file may have millions of rows, so that keys are kept as 128 bits of two hashes: to be unlike
/// and the same happens to nobody.
#[derive(Default)]
struct Claims {
    hashers: [RandomState; 2],
    rows: HashMap<[u64; 2], u64>,
}

impl Claims {
    fn of(&self, key: &Key) -> Option<u64> {
        self.rows.get(&self.hash(key)).copied()
    }

    fn add(&mut self, key: &Key, row: u64) {
        self.rows.insert(self.hash(key), row);
    }

    fn hash(&self, key: &Key) -> [u64; 2] {
        self.hashers.each_ref().map(|hasher| hasher.hash_one(key))
    }
}

/// What a row is to become.
pub(super) struct Plan<T> {
    pub(super) row: u64,
    pub(super) act: Act,
    /// Whether all rows before it must have ended: it takes what one of them gives up, or gives up what one of them wanted.
    pub(super) waits: bool,
    pub(super) beside: T,
}

pub(super) enum Act {
    Create(Box<NewUser>),
    Update(Box<Planned>, Box<Patch>),
    Refuse(Refusal),
    /// It is not written: nothing changes, or it is rehearsed.
    Settled(Outcome, Vec<Warning>),
}

/// What is known of the rows so far.
pub(super) struct Planner<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) how: How,
    claimed: Claims,
    /// What rows gave up, or may have.
    given_up: HashSet<Key>,
    /// Users who have an NPI, where people are known by it.
    npis: HashMap<Box<str>, Vec<UserId>>,
    /// Users whom rows are about.
    pub(super) seen: HashSet<UserId>,
}

/// A row's person, as the database has it.
#[derive(Default)]
struct Found {
    by_key: HashMap<Key, Vec<User>>,
}

impl<'a> Planner<'a> {
    pub(super) async fn new(app: &'a App, caller: &'a Caller, how: How) -> Result<Self, Error> {
        let mut npis: HashMap<Box<str>, Vec<UserId>> = HashMap::new();
        if how.by == Some(By::Npi) {
            for (npi, id) in app.store().npis(caller.organization()).await? {
                npis.entry(npi.into()).or_default().push(id);
            }
        }
        let (claimed, given_up, seen) = (Claims::default(), HashSet::new(), HashSet::new());
        Ok(Self { app, caller, how, claimed, given_up, npis, seen })
    }

    /// What some rows are to become. The error is not theirs.
    pub(super) async fn plan<T: Send + Sync>(&mut self, rows: Vec<Incoming<T>>) -> Result<Vec<Plan<T>>, Error> {
        let found = self.look_up(&rows).await?;
        let mut plans = Vec::with_capacity(rows.len());
        for Incoming { row, given, beside } in rows {
            let given = given.map_err(|issues| Refusal::Rule(Error::Invalid(issues)));
            let (act, waits) = match given.and_then(|given| self.claim(row, given)) {
                Ok((given, key)) => self.decide(given, key, &found).await?,
                Err(refusal) => (Act::Refuse(refusal), false),
            };
            plans.push(Plan { row, act, waits, beside });
        }
        if self.how.is_rehearsal {
            self.rehearse(&mut plans).await?;
        }
        Ok(plans)
    }

    /// What a row's person is known by.
    fn key_of(&self, given: &Given) -> Result<Option<Key>, Refusal> {
        let Some(by) = self.how.by else { return Ok(None) };
        let patch = &given.patch;
        let key = match by {
            // Roster makes these: who has none is not there yet.
            By::PublicId => return Ok(given.id.map(Key::Id)),
            By::Email => patch.email.as_ref().and_then(Option::as_ref).map(|email| Key::Email(email.key())),
            By::ExternalId => patch.external_id.clone().flatten().map(Key::ExternalId),
            By::Npi => patch.npi.as_ref().and_then(Option::as_ref).map(npi_key),
        };
        key.map(Some).ok_or(Refusal::Nameless(by))
    }

    /// Who is there of those whom rows are about.
    async fn look_up<T: Sync>(&self, rows: &[Incoming<T>]) -> Result<Found, Error> {
        let mut found = Found::default();
        // Two rows may have the same: it is asked for once, and who has it is one user.
        let keys: HashSet<Key> =
            rows.iter().filter_map(|row| self.key_of(row.given.as_ref().ok()?).ok().flatten()).collect();
        let (mut ids, mut emails, mut external_ids) = (Vec::new(), Vec::new(), Vec::new());
        for key in keys {
            match key {
                Key::Id(id) => ids.push(id),
                Key::Email(email) => emails.push(email),
                Key::ExternalId(id) => external_ids.push(id),
                Key::Npi(npi) => ids.extend(self.npis.get(&npi).into_iter().flatten().copied()),
            }
        }
        for sought in [Sought::Ids(ids), Sought::Emails(emails), Sought::ExternalIds(external_ids)] {
            if is_nobody(&sought) {
                continue;
            }
            for user in self.app.store().users_sought(self.caller.organization(), &sought).await? {
                let key = match self.how.by {
                    Some(By::PublicId) => Some(Key::Id(user.id)),
                    Some(By::Email) => user.email.as_ref().map(|email| Key::Email(email.key())),
                    Some(By::ExternalId) => user.external_id.clone().map(Key::ExternalId),
                    Some(By::Npi) => user.npi.as_ref().filter(|_| user.deactivated.is_none()).map(npi_key),
                    None => None,
                };
                // Whoever may not be seen is not there.
                if let Some(key) = key.filter(|_| self.caller.identity.may_read.contains(user.role)) {
                    found.by_key.entry(key).or_default().push(user);
                }
            }
        }
        Ok(found)
    }

    /// Lets a row be the one about its person. What it wants for itself no later row may want.
    fn claim(&mut self, row: u64, given: Given) -> Result<(Given, Option<Key>), Refusal> {
        let key = self.key_of(&given)?;
        let email = given.patch.email.iter().flatten().map(|email| Key::Email(email.key()));
        let external_id = given.patch.external_id.iter().flatten().map(|id| Key::ExternalId(id.clone()));
        let keys: Vec<Key> = key.iter().cloned().chain(email).chain(external_id).collect();
        if let Some((key, row)) = keys.iter().find_map(|key| Some((key, self.claimed.of(key)?))) {
            return Err(Refusal::Twin { row, field: key.field() });
        }
        keys.iter().for_each(|key| self.claimed.add(key, row));
        Ok((given, key))
    }

    /// What a row is to become, and whether it waits for those before it.
    async fn decide(&mut self, given: Given, key: Option<Key>, found: &Found) -> Result<(Act, bool), Error> {
        let users = key.as_ref().and_then(|key| found.by_key.get(key)).map_or(&[][..], Vec::as_slice);
        self.seen.extend(users.iter().map(|user| user.id));
        let decided = match (users, &key, self.how.by) {
            ([before], ..) => self.decide_update(given, before).await,
            ([], Some(Key::Id(_)), _) => Err(Refusal::Rule(Error::NotFound)),
            ([], ..) => with_metadata(given, None).and_then(|patch| {
                let new = patch.into_new().map_err(|issues| Refusal::Rule(Error::Invalid(issues)))?;
                let wanted = wanted_by_new(&new);
                Ok((Act::Create(Box::new(new)), self.given_up.iter().any(|key| wanted.contains(key))))
            }),
            (_, _, Some(by)) => Err(Refusal::Several(by)),
            (_, _, None) => unreachable!("nobody is looked for"),
        };
        match decided {
            Ok(decided) => Ok(decided),
            Err(Refusal::Rule(error)) if !is_the_rows(&error) => Err(error),
            Err(refusal) => Ok((Act::Refuse(refusal), false)),
        }
    }

    async fn decide_update(&mut self, given: Given, before: &User) -> Result<(Act, bool), Refusal> {
        let patch = with_metadata(given, Some(before))?;
        let planned = self.app.plan_update(self.caller, before.clone(), &patch).await.map_err(Refusal::Rule)?;
        if planned.after == planned.before {
            return Ok((Act::Settled(Outcome::Unchanged(before.id), planned.warnings), false));
        }
        let (had, has) = (keys_of(&planned.before), keys_of(&planned.after));
        let takes_what_was_given_up = has.iter().any(|key| !had.contains(key) && self.given_up.contains(key));
        let gives_up: Vec<Key> = had.into_iter().filter(|key| !has.contains(key)).collect();
        let gives_up_what_was_wanted = gives_up.iter().any(|key| self.claimed.of(key).is_some());
        if !self.how.is_rehearsal {
            self.given_up.extend(gives_up);
        }
        Ok((Act::Update(Box::new(planned), Box::new(patch)), takes_what_was_given_up || gives_up_what_was_wanted))
    }

    /// Says what rows would become: everything that a run does, but that the database is asked instead of written.
    async fn rehearse<T: Send>(&mut self, plans: &mut [Plan<T>]) -> Result<(), Error> {
        let wanted: HashSet<Key> = plans.iter().flat_map(|plan| wanted(&plan.act)).collect();
        let emails = wanted.iter().filter_map(|key| match key {
            Key::Email(email) => Some(email.clone()),
            _ => None,
        });
        let external_ids = wanted.iter().filter_map(|key| match key {
            Key::ExternalId(id) => Some(id.clone()),
            _ => None,
        });
        let mut holders: HashMap<Key, UserId> = HashMap::new();
        for sought in [Sought::Emails(emails.collect()), Sought::ExternalIds(external_ids.collect())] {
            if is_nobody(&sought) {
                continue;
            }
            for user in self.app.store().users_sought(self.caller.organization(), &sought).await? {
                holders.extend(keys_of(&user).into_iter().map(|key| (key, user.id)));
            }
        }
        for plan in plans {
            let taken = |key: &Key| holders.contains_key(key) && !self.given_up.contains(key);
            // In the order in which the store asks.
            let refusal = wanted_in_order(&plan.act).into_iter().find(|key| taken(key)).map(|key| match key {
                Key::ExternalId(_) => Error::ExternalIdTaken,
                _ => Error::EmailTaken,
            });
            plan.act = match std::mem::replace(&mut plan.act, Act::Refuse(Refusal::Rule(Error::NotFound))) {
                Act::Create(new) => match (self.app.check_user(self.caller, &new).await, refusal) {
                    (Ok(warnings), None) => Act::Settled(Outcome::Created(None), warnings),
                    (Ok(_), Some(error)) => Act::Refuse(Refusal::Rule(error)),
                    (Err(error), _) if is_the_rows(&error) => Act::Refuse(Refusal::Rule(error)),
                    (Err(error), _) => return Err(error),
                },
                Act::Update(planned, _) => match refusal {
                    Some(error) => Act::Refuse(Refusal::Rule(error)),
                    None => {
                        let has = keys_of(&planned.after);
                        self.given_up.extend(keys_of(&planned.before).into_iter().filter(|key| !has.contains(key)));
                        Act::Settled(Outcome::Changed(planned.before.id), planned.warnings)
                    }
                },
                other => other,
            };
        }
        Ok(())
    }

    /// Remembers whom a row was about.
    pub(super) fn saw(&mut self, outcome: &Outcome) {
        if let Outcome::Created(Some(id)) = outcome
            && self.how.missing.is_some()
        {
            self.seen.insert(*id);
        }
    }
}

/// What the row says, with the user's `metadata` where it says something of single names.
fn with_metadata(given: Given, before: Option<&User>) -> Result<Patch, Refusal> {
    let Given { mut patch, metadata, .. } = given;
    if metadata.is_empty() {
        return Ok(patch);
    }
    let there = patch.metadata.as_ref().or(before.map(|user| &user.metadata));
    let there = there.into_iter().flat_map(Metadata::iter).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut pairs: std::collections::BTreeMap<String, String> = there.collect();
    for (name, value) in metadata {
        match value {
            Some(value) => drop(pairs.insert(name, value)),
            None => drop(pairs.remove(&name)),
        }
    }
    if pairs.len() > Metadata::MAX {
        let message = format!("Object must contain at most {} key(s)", Metadata::MAX);
        return Err(Refusal::Rule(Error::Invalid(vec![Flaw::new(Code::TooBig, message).at(["metadata"])])));
    }
    patch.metadata = Some(Metadata::of_checked(pairs));
    Ok(patch)
}

fn npi_key(npi: &NpiNumber) -> Key {
    Key::Npi(npi.as_str().into())
}

/// What no other active user of the organization may have, if this one is active.
fn keys_of(user: &User) -> Vec<Key> {
    if user.deactivated.is_some() {
        return Vec::new();
    }
    let email = user.email.iter().map(|email| Key::Email(email.key()));
    email.chain(user.external_id.iter().cloned().map(Key::ExternalId)).collect()
}

fn wanted_by_new(new: &NewUser) -> Vec<Key> {
    let email = new.email.iter().map(|email| Key::Email(email.key()));
    email.chain(new.external_id.iter().cloned().map(Key::ExternalId)).collect()
}

/// What a row wants that its person does not have yet, the e-mail first.
fn wanted_in_order(act: &Act) -> Vec<Key> {
    match act {
        Act::Create(new) => wanted_by_new(new),
        Act::Update(planned, _) => {
            let had = keys_of(&planned.before);
            keys_of(&planned.after).into_iter().filter(|key| !had.contains(key)).collect()
        }
        Act::Refuse(_) | Act::Settled(..) => Vec::new(),
    }
}

fn wanted(act: &Act) -> impl Iterator<Item = Key> + use<> {
    wanted_in_order(act).into_iter()
}

fn is_nobody(sought: &Sought) -> bool {
    match sought {
        Sought::Ids(ids) => ids.is_empty(),
        Sought::Emails(emails) => emails.is_empty(),
        Sought::ExternalIds(ids) => ids.is_empty(),
    }
}
