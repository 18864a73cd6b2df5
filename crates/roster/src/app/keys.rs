//! Keys: finding the caller of one, making, revoking and rotating them.

use std::sync::Arc;

use quick_cache::sync::Cache;
use roster_directory::{
    Change, KeyId, OrganizationId, Role, Timestamp, Write,
    audit::{Action, RequestId, Target},
    key::{Key, KeyName, KeyToken, PresentedKey},
    repeat::Answer,
};
use roster_store::Epoch;

use super::{App, Caller, DAY, Error, Identity};

/// Keys that are kept in memory: a few hundred bytes each.
const KNOWN: usize = 10_000;

/// Keys that were looked up before, and in which epoch.
pub(super) type Known = Cache<KeyId, (Epoch, Arc<Identity>)>;

pub(super) fn none_known() -> Known {
    Cache::new(KNOWN)
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
            return Ok(Some(Caller { identity, request, epoch }));
        }
        // Also where the id is known and the secret is wrong, so that the time says nothing of which ids there are.
        let Some(record) = self.store.key(presented.id).await? else { return Ok(None) };
        let identity = Arc::new(Identity::of_key(record));
        self.known_keys.insert(presented.id, (epoch, identity.clone()));
        Ok(opened(&identity).then_some(Caller { identity, request, epoch }))
    }

    /// Makes a key of `role`, which ends after `lifetime` milliseconds if one is given. The token is not kept.
    pub async fn create_key(
        &self,
        caller: &Caller,
        role: Role,
        name: KeyName,
        lifetime: Option<i64>,
    ) -> Result<(Key, KeyToken), Error> {
        // A key may be made by whoever may create its role; the command line may make any.
        caller.may_create(role)?;
        let now = self.clock.now()?;
        let ends = lifetime.map(|millis| self.end_of(now, millis)).transpose()?;
        let (key, token) = self.new_key(role, name, now, ends);
        let writes = vec![Write::Key(key.clone())];
        self.commit(caller, Action::KeyCreated, Target::Key(key.id), "name,role,expiresAt", writes, now).await?;
        Ok((key, token))
    }

    /// Revokes a key: the next request with it is refused. Revoking it again changes nothing.
    pub async fn revoke_key(&self, caller: &Caller, id: KeyId) -> Result<(), Error> {
        let key = self.key_of(caller.organization(), id).await?;
        caller.may_create(key.role)?;
        if key.revoked_at.is_some() {
            return Ok(());
        }
        let now = self.clock.now()?;
        let writes = vec![Write::KeyRevoked(id, now)];
        self.commit(caller, Action::KeyRevoked, Target::Key(id), "revokedAt", writes, now).await
    }

    /// Makes a key that takes over from `id`: same role and name, and what is left of its life counted anew. The old
    /// one works for `grace` more milliseconds.
    pub async fn rotate_key(&self, caller: &Caller, id: KeyId, grace: i64) -> Result<(Key, KeyToken), Error> {
        let old = self.key_of(caller.organization(), id).await?;
        caller.may_create(old.role)?;
        let now = self.clock.now()?;
        if !old.is_live(self.clock.latest()) {
            return Err(Error::NotFound);
        }
        let lifetime = old.expires_at.map(|end| end.as_millis() - old.created_at.as_millis());
        let ends = lifetime.map(|millis| self.end_of(now, millis)).transpose()?;
        let (key, token) = self.new_key(old.role, old.name, now, ends);
        let old_ends = if grace == 0 { now } else { self.end_of(now, grace)? };
        let writes = vec![Write::Key(key.clone()), Write::KeyExpires(id, old_ends)];
        self.commit(caller, Action::KeyRotated, Target::Key(id), "expiresAt", writes, now).await?;
        Ok((key, token))
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
        role: Role,
        name: KeyName,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> (Key, KeyToken) {
        let id = self.ids.key();
        let token = KeyToken::new(id, self.ids.key_secret());
        let key = Key { id, role, name, hash: token.hash(), created_at, expires_at, revoked_at: None };
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
