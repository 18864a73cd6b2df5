//! Keys: finding the caller of one, making, revoking and rotating them.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use quick_cache::sync::Cache;
use roster_directory::{
    Actor, Change, Flaw, KeyId, OrganizationId, Role, Timestamp, Write,
    audit::{Action, RequestId, Target},
    issue::Code,
    key::{Access, Key, KeyName, KeyToken, PresentedKey},
    repeat::Answer,
};
use roster_store::{Epoch, KeyRecord};

use super::{Answering, App, Caller, DAY, Error, Identity};

/// Keys that are kept in memory: a few hundred bytes each.
const KNOWN: usize = 10_000;

/// Keys that were looked up before, and in which epoch.
pub(super) type Known = Cache<KeyId, (Epoch, Arc<Identity>)>;

pub(super) fn none_known() -> Known {
    Cache::new(KNOWN)
}

/// Milliseconds for which a key that was used counts as used: with the time until that is written, a minute.
const NOTED_FOR: i64 = 30_000;

/// Which keys were used.
#[derive(Default)]
pub(super) struct Used {
    /// And when, since that was written.
    since_written: HashMap<KeyId, Timestamp>,
    /// When it was said of a key that it ends soon.
    end_said: HashMap<KeyId, Timestamp>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What its holder may do.
    pub role: Role,
    /// What it is for.
    pub name: KeyName,
    /// What it may be used for.
    pub access: Access,
    /// How long it works.
    pub ends: Ends,
}

impl NewKey {
    /// One that works until it is revoked.
    pub fn lasting(role: Role, name: KeyName) -> Self {
        Self { role, name, access: Access::default(), ends: Ends::Never }
    }
}

/// How long a key works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Until it is revoked.
    Never,
    /// For so many milliseconds.
    After(i64),
    /// Until this moment.
    At(Timestamp),
}

impl Ends {
    /// Where nothing else is said: after 365 days.
    pub const USUAL: Ends = Ends::After(365 * DAY);
}

impl App {
    /// Finds who presents a token, or `None`: it was never a key, or is not one any more.
    ///
    /// A key that was revoked by any process before the call is not found; a typo is told without a query.
    pub async fn authenticate(&self, token: &str, request: RequestId) -> Result<Option<Caller>, Error> {
        let Some(presented) = PresentedKey::parse(token) else { return Ok(None) };
        let epoch = self.store.epoch().await?;
        let known = self.known_keys.get(&presented.id).filter(|(then, _)| *then == epoch);
        let latest = self.clock.latest();
        let opens = |key: &Key| key.hash == presented.hash && key.is_live(latest);
        let opened = |identity: &Arc<Identity>| identity.key.as_ref().is_some_and(|record| opens(&record.key));
        if let Some((_, identity)) = known.filter(|(_, identity)| opened(identity)) {
            self.note_use(&identity, latest);
            return Ok(Some(Caller { identity, request, epoch }));
        }
        // Also where the id is known and the secret is wrong, so that the time says nothing of which ids there are.
        let Some(record) = self.store.key(presented.id).await? else { return Ok(None) };
        let identity = Arc::new(Identity::of_key(record));
        self.known_keys.insert(presented.id, (epoch, identity.clone()));
        if !opened(&identity) {
            return Ok(None);
        }
        self.note_use(&identity, latest);
        Ok(Some(Caller { identity, request, epoch }))
    }

    /// Notes that a key was used, twice a minute at most: a request costs two loads for it. A key that ends soon is named
    /// in the log, once a day.
    fn note_use(&self, identity: &Identity, now: Timestamp) {
        let noted = identity.noted_at.load(Relaxed);
        if now.as_millis() < noted.saturating_add(NOTED_FOR) {
            return;
        }
        identity.noted_at.store(now.as_millis(), Relaxed);
        let Some(KeyRecord { key, .. }) = &identity.key else { return };
        let mut used = self.used_keys.lock().expect("nobody panics holding it");
        used.since_written.insert(key.id, now);
        let Some(days) = key.days_left(now) else { return };
        if used.end_said.get(&key.id).is_some_and(|said| now < said.plus_millis(DAY)) {
            return;
        }
        used.end_said.insert(key.id, now);
        tracing::warn!(key = %key.id, days, "the key {} ends soon (whole days left: {days}): rotate it", key.id);
    }

    /// Writes down when keys were used since the last time.
    pub async fn write_uses(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut self.used_keys.lock().expect("nobody panics holding it").since_written);
        if used.is_empty() {
            return Ok(());
        }
        let written = self.store.keys_used(used.iter().map(|(id, at)| (*id, *at)).collect()).await;
        if written.is_err() {
            let mut again = self.used_keys.lock().expect("nobody panics holding it");
            for (id, at) in used {
                again.since_written.entry(id).or_insert(at);
            }
        }
        Ok(written?)
    }

    /// All keys of the caller's organization, by id: live ones and others. As of a minute ago they say when they were used.
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<Key>, Error> {
        caller.may_manage()?;
        Ok(self.store.keys(caller.organization()).await?)
    }

    /// One key.
    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<Key, Error> {
        caller.may_manage()?;
        self.key_of(caller.organization(), id).await
    }

    /// Makes a key. The token is not kept.
    ///
    /// A key may be made by whoever may create its role, so it is never stronger than the one that asks; the command line
    /// may make any.
    pub async fn create_key(
        &self,
        caller: &Caller,
        new: NewKey,
        answering: Option<Answering<'_, Key>>,
    ) -> Result<(Key, KeyToken), Error> {
        caller.may_make_key(new.role)?;
        let now = self.clock.now()?;
        let expires_at = match new.ends {
            Ends::Never => None,
            Ends::After(millis) => Some(self.end_of(now, millis)?),
            Ends::At(end) if end > now.max(self.clock.latest()) => Some(end),
            Ends::At(_) => {
                return Err(Error::Invalid(vec![Flaw::new(Code::Custom, "Must be in the future").at(["expiresAt"])]));
            }
        };
        let (key, token) = self.new_key(caller, &new, now, expires_at, None);
        let writes = vec![Write::Key(Box::new(key.clone()))];
        let entry = (Action::KeyCreated, Target::Key(key.id), "name,role,access,expiresAt");
        let answer = answering.map(|answering| answering(&key));
        self.commit_answered(caller, entry, writes, now, answer).await?;
        Ok((key, token))
    }

    /// Revokes a key: the next request with it is refused. Revoking it again changes nothing. Whoever has only keys cannot
    /// revoke the last one that manages the organization; the command line can.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId) -> Result<(), Error> {
        let key = self.key_of(caller.organization(), id).await?;
        caller.may_make_key(key.role)?;
        if key.revoked_at.is_some() {
            return Ok(());
        }
        let now = self.clock.now()?;
        let unless_last = matches!(caller.identity.actor, Actor::Key(_)) && key.manages(now.max(self.clock.latest()));
        let writes = vec![Write::KeyRevoked { id, at: now, unless_last }];
        self.commit(caller, Action::KeyRevoked, Target::Key(id), "revokedAt", writes, now).await
    }

    /// Makes a key that takes over from `id`: same role, access and name, and what is left of its life counted anew. The
    /// old one works for `grace` more milliseconds.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        grace: i64,
        answering: Option<Answering<'_, Key>>,
    ) -> Result<(Key, KeyToken), Error> {
        let old = self.key_of(caller.organization(), id).await?;
        caller.may_make_key(old.role)?;
        let now = self.clock.now()?;
        if !old.is_live(self.clock.latest()) {
            return Err(Error::NotFound);
        }
        let lifetime = old.expires_at.map(|end| end.as_millis() - old.created_at.as_millis());
        let ends = lifetime.map(|millis| self.end_of(now, millis)).transpose()?;
        let new = NewKey { role: old.role, name: old.name, access: old.access, ends: Ends::Never };
        let (key, token) = self.new_key(caller, &new, now, ends, Some(id));
        let old_ends = if grace == 0 { now } else { self.end_of(now, grace)? };
        let writes = vec![Write::Key(Box::new(key.clone())), Write::KeyExpires(id, old_ends)];
        let answer = answering.map(|answering| answering(&key));
        let entry = (Action::KeyRotated, Target::Key(id), "expiresAt");
        match self.commit_answered(caller, entry, writes, now, answer).await {
            Ok(()) => Ok((key, token)),
            // The one that took over has its name.
            Err(Error::NameTaken) => Err(Error::NotNow("Another key took over from it: rotate that one")),
            Err(error) => Err(error),
        }
    }

    /// So many milliseconds after the latest moment there was: whether a key is over is judged by that.
    fn end_of(&self, now: Timestamp, millis: i64) -> Result<Timestamp, Error> {
        let latest = self.clock.latest();
        if latest > now.plus_millis(DAY) {
            return Err(Error::NotNow(
                "a moment is recorded that is more than a day ahead of the clock, and keys are judged by it: see `roster \
                 clock show`",
            ));
        }
        Ok(latest.plus_millis(millis))
    }

    fn new_key(
        &self,
        caller: &Caller,
        new: &NewKey,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
        replaces: Option<KeyId>,
    ) -> (Key, KeyToken) {
        let id = self.ids.key();
        let token = KeyToken::new(id, self.ids.key_secret());
        let key = Key {
            id,
            role: new.role,
            name: new.name.clone(),
            hash: token.hash(),
            created_at,
            expires_at,
            revoked_at: None,
            access: new.access,
            created_by: Some(caller.identity.actor.as_str().into()),
            replaces,
            last_used_at: None,
        };
        (key, token)
    }

    async fn key_of(&self, organization: OrganizationId, id: KeyId) -> Result<Key, Error> {
        let record = self.store.key(id).await?.filter(|record| record.organization.id == organization);
        Ok(record.ok_or(Error::NotFound)?.key)
    }

    pub(super) async fn commit(
        &self,
        caller: &Caller,
        action: Action,
        target: Target,
        fields: &str,
        writes: Vec<Write>,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.commit_answered(caller, (action, target, fields), writes, at, None).await
    }

    /// With what is kept of the answer, if the request may be sent again.
    pub(super) async fn commit_answered(
        &self,
        caller: &Caller,
        (action, target, fields): (Action, Target, &str),
        writes: Vec<Write>,
        at: Timestamp,
        answer: Option<Answer>,
    ) -> Result<(), Error> {
        let audit = caller.entry(at, action, target, fields.to_owned());
        let change = Change { organization: caller.organization(), writes, audit, owed: Vec::new(), answer };
        self.write(change).await.map(drop)
    }
}
