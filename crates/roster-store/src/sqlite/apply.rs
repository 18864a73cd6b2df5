//! What a change does to an organization's rows: first everything that may refuse it is asked, then all of it is written.

use roster_directory::{
    Change, OrganizationId, Role, Timestamp, User, Write,
    audit::Entry,
    organization::{Country, TimeZone},
    user::{Diff, EmailKey},
};
use rusqlite::{Connection, params};

use super::{
    answers,
    emails::Emails,
    index::{self, CHUNK},
    outbox,
    place::{self, OrganizationNumber},
    ranks, users,
};
use crate::{
    Error,
    bucket::{BUCKETS, Bucket},
};

/// What a batch keeps of one organization it writes for, so that its row is read and written once.
pub(super) struct Counters {
    pub(super) number: OrganizationNumber,
    users_before: i64,
    /// Ordinals handed out to users.
    users: i64,
    audits: i64,
    latest: Timestamp,
    /// How many users more each bucket has.
    added: [i64; BUCKETS],
    /// Whether a user changed or was erased.
    pub(super) altered: bool,
    /// Users that are to be found by other texts.
    pub(super) searched_otherwise: usize,
    /// Whether a user was erased.
    pub(super) erased: bool,
}

/// Adds an organization.
pub(super) fn add_organization(connection: &Connection, change: &Change) -> Result<(), Error> {
    if let [Write::Organization(organization)] = change.writes.as_slice() {
        let sql = "insert into organization (id, name, country, time_zone, created_at) values (?1, ?2, ?3, ?4, ?5)";
        connection.prepare_cached(sql)?.execute(params![
            organization.id.as_str(),
            organization.name.as_str(),
            organization.country.as_str(),
            organization.time_zone.as_str(),
            organization.created_at.as_millis()
        ])?;
    }
    Ok(())
}

impl Counters {
    /// Of the organization of this id, whose number may be known.
    pub(super) fn load(
        connection: &Connection,
        id: OrganizationId,
        number: Option<OrganizationNumber>,
    ) -> Result<Option<Self>, Error> {
        let number = match number {
            Some(number) => number,
            None => match place::number_of(connection, id)? {
                Some(number) => number,
                None => return Ok(None),
            },
        };
        let sql = "select users, audits, latest_at from organization where number = ?1";
        let counters = connection.prepare_cached(sql)?.query_row([number], |row| {
            Ok(Self {
                number,
                users_before: row.get(0)?,
                users: row.get(0)?,
                audits: row.get(1)?,
                latest: Timestamp::from_millis(row.get(2)?),
                added: [0; BUCKETS],
                altered: false,
                searched_otherwise: 0,
                erased: false,
            })
        })?;
        Ok(Some(counters))
    }

    pub(super) fn save(&self, connection: &Connection) -> Result<(), Error> {
        let sql = "update organization set users = ?2, audits = ?3, latest_at = ?4 where number = ?1";
        connection.prepare_cached(sql)?.execute(params![
            self.number,
            self.users,
            self.audits,
            self.latest.as_millis()
        ])?;
        let sql = "insert into role_count (organization, bucket, users) values (?1, ?2, ?3) \
                   on conflict do update set users = users + excluded.users";
        for (bucket, added) in self.added.iter().enumerate().filter(|(_, added)| **added != 0) {
            connection.prepare_cached(sql)?.execute(params![self.number, bucket as i64, added])?;
        }
        Ok(())
    }

    pub(super) fn finished_a_chunk(&self) -> bool {
        self.users_before / CHUNK < self.users / CHUNK
    }

    /// Writes a change, and answers the moment it is recorded under. The inner error is a refusal, before anything was
    /// written.
    pub(super) fn apply(
        &mut self,
        connection: &Connection,
        emails: &mut Emails,
        change: &Change,
    ) -> Result<Result<Timestamp, Error>, Error> {
        // The order of an organization's changes and the order of their moments are one, whatever the clock does.
        let at = change.audit.at.max(self.latest);
        if let Some(answer) = &change.answer
            && answers::is_there(connection, self.number, answer, at)?
        {
            return Ok(Err(Error::Answered));
        }
        // Where the users are who are there, in the order of the writes.
        let mut places = Vec::new();
        for write in &change.writes {
            if let Some(refusal) = self.refusal(connection, emails, write, &mut places)? {
                return Ok(Err(refusal));
            }
        }
        let mut places = places.into_iter();
        for write in &change.writes {
            match write {
                Write::User(diff) => {
                    let place = if diff.before().is_some() { places.next() } else { None };
                    self.write_user(connection, emails, diff, place, &change.audit, at)?;
                }
                _ => self.write(connection, write)?,
            }
        }
        self.remember(connection, &change.audit, at)?;
        for message in &change.owed {
            outbox::insert(connection, self.number, message, at)?;
        }
        if let Some(answer) = &change.answer {
            answers::keep(connection, self.number, answer, at)?;
        }
        Ok(Ok(at))
    }

    /// Why something cannot be written, if it cannot. Adds where the user is whom it is about, if it is there already.
    fn refusal(
        &self,
        connection: &Connection,
        emails: &Emails,
        write: &Write,
        places: &mut Vec<i64>,
    ) -> Result<Option<Error>, Error> {
        match write {
            Write::Payor(payor) => {
                let mut names = connection.prepare_cached("select name from payor where organization = ?1")?;
                let mut names = names.query([self.number])?;
                while let Some(row) = names.next()? {
                    if payor.name.is_taken_by(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) {
                        return Ok(Some(Error::NameTaken));
                    }
                }
                Ok(None)
            }
            Write::Key(key) => {
                let sql = "select name, id from api_key k where organization = ?1 and revoked_at is null \
                           and (expires_at is null or expires_at > ?2) and id is not ?3 \
                           and not exists (select 1 from api_key where organization = ?1 and replaces = k.id)";
                let mut live = connection.prepare_cached(sql)?;
                let replaces = key.replaces.as_ref().map(|id| id.as_str());
                let mut live = live.query(params![self.number, key.created_at.as_millis(), replaces])?;
                while let Some(row) = live.next()? {
                    if key.name.is_taken_by(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) {
                        return Ok(Some(Error::NameTaken));
                    }
                }
                Ok(None)
            }
            Write::KeyRevoked { id, at, unless_last: true } => {
                // One that another took over from ends soon.
                let sql = "select 1 from api_key k where organization = ?1 and id <> ?2 and role in (?3, ?4) \
                           and access = 0 and revoked_at is null and (expires_at is null or expires_at > ?5) \
                           and not exists (select 1 from api_key where organization = ?1 and replaces = k.id) limit 1";
                let [admin, hipp_admin] = Role::MANAGERS.map(|role| role as u8);
                let params = params![self.number, id.as_str(), admin, hipp_admin, at.as_millis()];
                Ok((!connection.prepare_cached(sql)?.exists(params)?).then_some(Error::LastManager))
            }
            Write::User(diff) => self.refusal_of_user(connection, emails, diff, places),
            _ => Ok(None),
        }
    }

    fn refusal_of_user(
        &self,
        connection: &Connection,
        emails: &Emails,
        diff: &Diff,
        places: &mut Vec<i64>,
    ) -> Result<Option<Error>, Error> {
        if let Some(before) = diff.before() {
            match users::find(connection, self.number, before.id)? {
                Some((place, version)) if version == before.version => places.push(place),
                _ => return Ok(Some(Error::Stale)),
            }
        }
        if let Diff::Erased(user) = diff {
            let sql = "select 1 from users where organization = ?1 and caregiver = ?2 limit 1";
            let is_caregiver = connection.prepare_cached(sql)?.exists(params![self.number, user.id.as_str()])?;
            return Ok(is_caregiver.then_some(Error::Stale));
        }
        if let Some(key) = diff.new_email()
            && emails.is_taken(connection, self.number, &key)?
        {
            return Ok(Some(Error::EmailTaken));
        }
        if let Some(external_id) = diff.new_external_id() {
            let sql = "select 1 from users where organization = ?1 and external_id = ?2 and deactivated_at is null";
            if connection.prepare_cached(sql)?.exists(params![self.number, external_id.as_str()])? {
                return Ok(Some(Error::ExternalIdTaken));
            }
        }
        Ok(None)
    }

    fn write_user(
        &mut self,
        connection: &Connection,
        emails: &mut Emails,
        diff: &Diff,
        place: Option<i64>,
        entry: &Entry,
        at: Timestamp,
    ) -> Result<(), Error> {
        let user = diff.user();
        let place = place.unwrap_or_else(|| self.number.place(self.users));
        match (diff.before(), diff.after_at(at)) {
            (None, _) => {
                users::insert(connection, self.number, place, user, at, None)?;
                users::assign(connection, place, &user.payors)?;
                self.users += 1;
            }
            (Some(before), Some(after)) => users::update(connection, place, before, &after)?,
            (Some(before), None) => {
                users::delete(connection, place)?;
                connection.prepare_cached("insert into erased (place) values (?1)")?.execute([place])?;
                outbox::erase_of(connection, self.number, before.id)?;
                answers::erase_of(connection, before.id)?;
            }
        }
        self.follow(connection, emails, place, diff)?;
        if diff.has_left() && diff.after().is_some() {
            outbox::drop_owed_to(connection, self.number, user.id, at)?;
        }
        if let Some(given) = diff.consent() {
            let by = (entry.actor.as_str(), entry.request.as_str());
            outbox::record_consent(connection, self.number, user.id, given, at, by)?;
        }
        Ok(())
    }

    /// Everything that is kept beside the rows of users follows (before, after).
    fn follow(&mut self, connection: &Connection, emails: &mut Emails, place: i64, diff: &Diff) -> Result<(), Error> {
        let key = |user: Option<&User>| -> Option<EmailKey> { user?.email.as_ref().map(|email| email.key()) };
        let (before, after) = (key(diff.before()), key(diff.after()));
        if let Some(after) = &after
            && before.as_ref() != Some(after)
        {
            emails.add(self.number, after, place);
        }
        if let (Diff::Erased(_), Some(before)) = (diff, &before) {
            emails.erase(connection, self.number, before, place)?;
        }
        let buckets = [diff.before(), diff.after()].map(|user| user.map(Bucket::of));
        if buckets[0] != buckets[1] {
            // Whoever is created lies beyond every chunk that is full.
            let is_counted = diff.before().is_some() && ranks::is_counted(connection, self.number, place)?;
            for (bucket, one) in buckets.into_iter().zip([-1, 1]) {
                let Some(bucket) = bucket else { continue };
                self.added[usize::from(bucket.number())] += one;
                if is_counted {
                    ranks::add(connection, self.number, place, bucket, one)?;
                }
            }
        }
        if diff.before().is_some() {
            self.altered = true;
            self.erased |= diff.after().is_none();
            if diff.is_searched_otherwise() {
                self.searched_otherwise += 1;
                index::note_change(connection, place)?;
            }
        }
        Ok(())
    }

    fn write(&self, connection: &Connection, write: &Write) -> Result<(), Error> {
        match write {
            // An organization was added before it had a number; a user is written elsewhere.
            Write::Organization(_) | Write::User(_) => {}
            Write::OrganizationAltered(altered) => {
                let sql = "update organization set name = coalesce(?2, name), country = coalesce(?3, country), \
                           time_zone = coalesce(?4, time_zone) where number = ?1";
                connection.prepare_cached(sql)?.execute(params![
                    self.number,
                    altered.name.as_ref().map(|name| name.as_str()),
                    altered.country.as_ref().map(Country::as_str),
                    altered.time_zone.as_ref().map(TimeZone::as_str)
                ])?;
            }
            Write::Payor(payor) => {
                let sql = "insert into payor (organization, id, name, created_at) values (?1, ?2, ?3, ?4)";
                connection.prepare_cached(sql)?.execute(params![
                    self.number,
                    payor.id.as_str(),
                    payor.name.as_str(),
                    payor.created_at.as_millis()
                ])?;
            }
            Write::Key(key) => {
                let sql = "insert into api_key (id, organization, role, name, hash, created_at, expires_at, \
                           revoked_at, access, created_by, replaces) \
                           values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
                connection.prepare_cached(sql)?.execute(params![
                    key.id.as_str(),
                    self.number,
                    key.role as u8,
                    key.name.as_str(),
                    key.hash.as_bytes(),
                    key.created_at.as_millis(),
                    key.expires_at.map(Timestamp::as_millis),
                    key.revoked_at.map(Timestamp::as_millis),
                    key.access as u8,
                    key.created_by,
                    key.replaces.as_ref().map(|id| id.as_str())
                ])?;
            }
            Write::KeyExpires(id, end) => {
                let sql = "update api_key set expires_at = min(coalesce(expires_at, ?3), ?3) \
                           where organization = ?1 and id = ?2";
                connection.prepare_cached(sql)?.execute(params![self.number, id.as_str(), end.as_millis()])?;
            }
            Write::KeyRevoked { id, at, .. } => {
                let sql = "update api_key set revoked_at = coalesce(revoked_at, ?3) \
                           where organization = ?1 and id = ?2";
                connection.prepare_cached(sql)?.execute(params![self.number, id.as_str(), at.as_millis()])?;
            }
            Write::Webhook(_)
            | Write::WebhookState(..)
            | Write::WebhookSecret(..)
            | Write::WebhookDeleted(..)
            | Write::SmsSetting(_)
            | Write::MessageRetried(..)
            | Write::MessageDropped(..) => outbox::apply(connection, self.number, write, self.audits)?,
        }
        Ok(())
    }

    fn remember(&mut self, connection: &Connection, entry: &Entry, at: Timestamp) -> Result<(), Error> {
        let sql = "insert into audit (place, at, actor, action, target, fields, request, role_before, role_after) \
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        connection.prepare_cached(sql)?.execute(params![
            self.number.place(self.audits),
            at.as_millis(),
            entry.actor.as_str(),
            entry.action.as_str(),
            entry.target.as_str(),
            entry.fields,
            entry.request.as_str(),
            entry.roles.before.map(|role| role as u8),
            entry.roles.after.map(|role| role as u8)
        ])?;
        self.audits += 1;
        self.latest = at;
        Ok(())
    }
}
