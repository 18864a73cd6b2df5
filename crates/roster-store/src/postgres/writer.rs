//! Lanes that write: each takes all the creates that are waiting and writes them in one statement.
//!
//! PostgreSQL commits in groups by itself, but a statement that carries many users costs a fraction of a statement per
//! user. The statement is a transaction of its own, so a batch is one round trip; every change keeps its own outcome,
//! because only the users that were added get their audit entry and their messages. Nothing is locked while a lane waits
//! for anything but the commit, and lanes count in rows of their own.

use std::{collections::HashSet, sync::Arc, time::Duration};

use deadpool_postgres::{Object, Pool};
use roster_directory::{Change, Message, PayorId, Timestamp, User, Write, search::Haystack};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};

use super::{
    errors,
    place::{self, Places},
};
use crate::{Error, Options};

/// Lanes of one process. With more, batches are smaller; with fewer, a commit is waited for oftener.
const LANES: usize = 3;

/// How long a change may take, waiting and retries included, before its client is told to try again.
pub(super) const DEADLINE: Duration = Duration::from_millis(1_900);

/// The longest pause before a retry; the first is a sixteenth of it.
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

type Answer = Result<Timestamp, Error>;

struct Job {
    change: Box<Change>,
    asker: oneshot::Sender<Answer>,
    since: Instant,
}

/// The way in: a bounded queue, and the lanes behind it.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    pub(super) fn start(pool: &Pool, options: &Options) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel(options.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        let places = Arc::new(Places::default());
        for _ in 0..LANES {
            let random = getrandom::u32().map_err(|error| Error::Unusable(format!("no randomness: {error}")))?;
            let lane = Lane { number: (random >> 1) as i32, pool: pool.clone(), places: places.clone() };
            tokio::spawn(lane.run(queue.clone(), options.batch.max(1)));
        }
        Ok(Self { jobs })
    }

    pub(super) async fn commit(&self, change: Change) -> Answer {
        let (asker, answer) = oneshot::channel();
        let job = Job { change: Box::new(change), asker, since: Instant::now() };
        self.jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// A user to be added, with what goes with it.
struct Addition<'a> {
    change: &'a Change,
    user: &'a User,
    payors: &'a [PayorId],
    place: i64,
}

struct Lane {
    number: i32,
    pool: Pool,
    places: Arc<Places>,
}

impl Lane {
    async fn run(self, queue: Arc<Mutex<mpsc::Receiver<Job>>>, batch_limit: usize) {
        let mut batch = Vec::new();
        loop {
            // One lane at a time waits here; what arrives meanwhile is its batch.
            if queue.lock().await.recv_many(&mut batch, batch_limit).await == 0 {
                return;
            }
            batch.retain(|job: &Job| !job.asker.is_closed());
            let (users, others): (Vec<Job>, Vec<Job>) =
                batch.drain(..).partition(|job| matches!(job.change.writes.as_slice(), [Write::User(..)]));
            for job in others {
                let answer = self.write_other(&job.change, job.since + DEADLINE).await;
                drop(job.asker.send(answer));
            }
            self.write_batch(users).await;
        }
    }

    async fn write_batch(&self, mut jobs: Vec<Job>) {
        let Some(deadline) = jobs.iter().map(|job| job.since + DEADLINE).min() else { return };
        match self.add(&jobs, deadline).await {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    drop(job.asker.send(answer));
                }
            }
            Err(error) if jobs.len() == 1 || !matches!(error, Error::Engine(_)) => {
                // The whole batch met the same: the server is away, or full, or too busy.
                let mut error = Some(error);
                for job in jobs {
                    let told = error.take().unwrap_or(Error::Busy);
                    drop(job.asker.send(Err(told)));
                }
            }
            Err(_) => {
                // One of them is refused for itself: only the guilty one is to hear it.
                for job in jobs.drain(..) {
                    let one = [job];
                    let answer = self.add(&one, one[0].since + DEADLINE).await;
                    let [job] = one;
                    let answer = answer.and_then(|mut answers| answers.pop().unwrap_or(Err(Error::Closed)));
                    drop(job.asker.send(answer));
                }
            }
        }
    }

    /// Adds users, until it is known which of them were added, or the deadline.
    async fn add(&self, jobs: &[Job], deadline: Instant) -> Result<Vec<Answer>, Error> {
        let additions: Vec<Addition<'_>> = jobs
            .iter()
            .filter_map(|job| match job.change.writes.as_slice() {
                [Write::User(user, payors)] => {
                    Some(Addition { change: &job.change, user, payors, place: self.places.next(job.change.audit.at) })
                }
                _ => None,
            })
            .collect();
        let columns = Columns::of(&additions);
        let mut attempts = Attempts::until(deadline);
        loop {
            let tried = async {
                let client = self.pool.get().await.map_err(Trouble::NoConnection)?;
                let added = self.add_once(&client, &columns).await.map_err(Trouble::Driver)?;
                // A lost attempt may have added them before this one found them there.
                let found = match attempts.lost_one {
                    true => existing(&client, &columns).await.map_err(Trouble::Driver)?,
                    false => HashSet::new(),
                };
                Ok((added, found))
            };
            let trouble = match tokio::time::timeout_at(deadline, tried).await {
                Ok(Ok((added, found))) => {
                    let is_there = |addition: &Addition<'_>| {
                        let id = addition.user.id.as_str();
                        added.contains(id) || found.contains(id)
                    };
                    return Ok(additions
                        .iter()
                        .map(|addition| match is_there(addition) {
                            true => Ok(place::moment(addition.place)),
                            false => Err(Error::EmailTaken),
                        })
                        .collect());
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => return Err(Error::Busy),
            };
            attempts.again_after(trouble).await?;
        }
    }

    async fn add_once(&self, client: &Object, columns: &Columns<'_>) -> Result<HashSet<String>, tokio_postgres::Error> {
        let statement = client.prepare_cached(ADD_USERS).await?;
        let rows = client
            .query(
                &statement,
                &[
                    &columns.organization,
                    &columns.id,
                    &columns.place,
                    &columns.first_name,
                    &columns.last_name,
                    &columns.email,
                    &columns.email_key,
                    &columns.role,
                    &columns.phone,
                    &columns.phone_digits,
                    &columns.phone_e164,
                    &columns.npi,
                    &columns.npi_valid,
                    &columns.sms,
                    &columns.recertify_at,
                    &columns.recertify_day,
                    &columns.sex,
                    &columns.caregiver,
                    &columns.birth_date,
                    &columns.address_line1,
                    &columns.address_line2,
                    &columns.city,
                    &columns.state,
                    &columns.postal_code,
                    &columns.search,
                    &columns.actor,
                    &columns.action,
                    &columns.fields,
                    &columns.request,
                    &columns.payor_user,
                    &columns.payor,
                    &columns.message_user,
                    &columns.message_id,
                    &columns.message_kind,
                    &self.number,
                ],
            )
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Writes a change that adds no user, in a transaction of its own.
    async fn write_other(&self, change: &Change, deadline: Instant) -> Answer {
        let place = self.places.next(change.audit.at);
        let mut attempts = Attempts::until(deadline);
        loop {
            let tried = async {
                let mut client = self.pool.get().await.map_err(Trouble::NoConnection)?;
                let was_written = match attempts.lost_one {
                    true => remembers(&client, change, place, self.number).await.map_err(Trouble::Driver)?,
                    false => false,
                };
                if !was_written {
                    write(&mut client, change, place, self.number).await?;
                }
                Ok(())
            };
            let trouble = match tokio::time::timeout_at(deadline, tried).await {
                Ok(Ok(())) => return Ok(place::moment(place)),
                Ok(Err(trouble)) => trouble,
                Err(_) => return Err(Error::Busy),
            };
            attempts.again_after(trouble).await?;
        }
    }
}

/// What keeps an attempt from being the last.
enum Trouble {
    NoConnection(deadpool_postgres::PoolError),
    Driver(tokio_postgres::Error),
    Refused(Error),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Trouble::Driver(error)
    }
}

/// Attempts at one transaction: how many, until when, and whether of one of them it is unknown what became of it.
struct Attempts {
    deadline: Instant,
    pause: Duration,
    lost_one: bool,
}

impl Attempts {
    fn until(deadline: Instant) -> Self {
        Self { deadline, pause: LONGEST_PAUSE / 16, lost_one: false }
    }

    /// Waits for the next attempt, or says that there is none.
    async fn again_after(&mut self, trouble: Trouble) -> Result<(), Error> {
        let error = match trouble {
            Trouble::Refused(error) => return Err(error),
            Trouble::NoConnection(error) => errors::of_pool(error),
            Trouble::Driver(error) if errors::wants_retry(&error) => errors::of(error),
            Trouble::Driver(error) if errors::lost(&error) => {
                self.lost_one = true;
                errors::of(error)
            }
            Trouble::Driver(error) => return Err(errors::of(error)),
        };
        // Full jitter: lanes that met the same conflict come back apart.
        let jitter = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let pause = self.pause.mul_f64(jitter);
        if Instant::now() + pause >= self.deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// One statement, one transaction, one round trip: users, and for those that were added their payors, audit entries,
/// messages and counts. Answers the ids that were added; of the others the e-mail is taken.
const ADD_USERS: &str = "
with input as (
    select * from unnest(
        $1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[],
        $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::boolean[], $15::bigint[], $16::text[],
        $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[],
        $25::text[], $26::text[], $27::text[], $28::text[], $29::text[]
    ) as t (organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits, phone_e164,
            npi, npi_valid, sms, recertify_at, recertify_day, sex, caregiver, birth_date, address_line1, address_line2,
            city, state, postal_code, search, actor, action, fields, request)
), added as (
    insert into users (organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits,
                       phone_e164, npi, npi_valid, sms, recertify_at, recertify_day, sex, caregiver, birth_date,
                       address_line1, address_line2, city, state, postal_code, search)
    select organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits, phone_e164, npi,
           npi_valid, sms, recertify_at, recertify_day, sex, caregiver, birth_date, address_line1, address_line2, city,
           state, postal_code, search
    from input on conflict do nothing returning organization, id, role
), assigned as (
    insert into user_payor (organization, user_id, payor)
    select added.organization, added.id, p.payor from unnest($30::text[], $31::text[]) as p (user_id, payor)
    join added on added.id = p.user_id on conflict do nothing returning 1
), remembered as (
    insert into audit (organization, place, lane, actor, action, target, fields, request)
    select added.organization, input.place, $35::integer, input.actor, input.action, added.id, input.fields, input.request
    from input join added on added.id = input.id returning 1
), owing as (
    insert into outbox (organization, id, place, kind, user_id)
    select added.organization, m.id, input.place, m.kind, added.id
    from unnest($32::text[], $33::text[], $34::text[]) as m (user_id, id, kind)
    join added on added.id = m.user_id join input on input.id = added.id returning 1
), counted as (
    insert into role_count (organization, role, lane, users)
    select organization, role, $35::integer, count(*) from added group by organization, role
    on conflict (organization, role, lane) do update set users = role_count.users + excluded.users returning 1
)
select id from added";

/// The users of a batch, column by column.
struct Columns<'a> {
    organization: Vec<&'a str>,
    id: Vec<&'a str>,
    place: Vec<i64>,
    first_name: Vec<&'a str>,
    last_name: Vec<&'a str>,
    email: Vec<Option<&'a str>>,
    email_key: Vec<Option<String>>,
    role: Vec<i16>,
    phone: Vec<Option<&'a str>>,
    phone_digits: Vec<String>,
    phone_e164: Vec<Option<String>>,
    npi: Vec<Option<&'a str>>,
    npi_valid: Vec<Option<bool>>,
    sms: Vec<bool>,
    recertify_at: Vec<Option<i64>>,
    recertify_day: Vec<Option<String>>,
    sex: Vec<Option<&'a str>>,
    caregiver: Vec<Option<&'a str>>,
    birth_date: Vec<Option<String>>,
    address_line1: Vec<Option<&'a str>>,
    address_line2: Vec<Option<&'a str>>,
    city: Vec<Option<&'a str>>,
    state: Vec<Option<&'a str>>,
    postal_code: Vec<Option<&'a str>>,
    search: Vec<String>,
    actor: Vec<&'a str>,
    action: Vec<&'a str>,
    fields: Vec<&'a str>,
    request: Vec<&'a str>,
    payor_user: Vec<&'a str>,
    payor: Vec<&'a str>,
    message_user: Vec<&'a str>,
    message_id: Vec<&'a str>,
    message_kind: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(additions: &[Addition<'a>]) -> Self {
        let user = |column: fn(&'a User) -> Option<&'a str>| additions.iter().map(|a| column(a.user)).collect();
        let mut haystack = Haystack::default();
        let search = additions.iter().map(|a| {
            haystack.fill_from(a.user);
            haystack.as_str().to_owned()
        });
        let payors = || additions.iter().flat_map(|a| a.payors.iter().map(|payor| (&a.user.id, payor)));
        let messages = || additions.iter().flat_map(|a| a.change.owed.iter());
        Self {
            search: search.collect(),
            organization: additions.iter().map(|a| a.change.organization.as_str()).collect(),
            id: additions.iter().map(|a| a.user.id.as_str()).collect(),
            place: additions.iter().map(|a| a.place).collect(),
            first_name: additions.iter().map(|a| a.user.first_name.as_str()).collect(),
            last_name: additions.iter().map(|a| a.user.last_name.as_str()).collect(),
            email: user(|user| user.email.as_ref().map(|email| email.as_str())),
            email_key: additions
                .iter()
                .map(|a| a.user.email.as_ref().map(|email| email.key().as_str().to_owned()))
                .collect(),
            role: additions.iter().map(|a| a.user.role as i16).collect(),
            phone: user(|user| user.phone.as_ref().map(|phone| phone.as_str())),
            phone_digits: additions
                .iter()
                .map(|a| a.user.phone.iter().flat_map(|phone| phone.digits()).collect())
                .collect(),
            phone_e164: additions.iter().map(|a| a.user.phone.as_ref().and_then(|phone| phone.e164())).collect(),
            npi: user(|user| user.npi.as_ref().map(|npi| npi.as_str())),
            npi_valid: additions.iter().map(|a| a.user.npi.as_ref().map(|npi| npi.is_valid())).collect(),
            sms: additions.iter().map(|a| a.user.should_send_sms).collect(),
            recertify_at: additions.iter().map(|a| a.user.recertification.map(|date| date.at().as_millis())).collect(),
            recertify_day: additions
                .iter()
                .map(|a| a.user.recertification.map(|date| date.day().to_string()))
                .collect(),
            sex: user(|user| user.demographics.sex.as_ref().map(|line| line.as_str())),
            caregiver: user(|user| user.demographics.caregiver.as_ref().map(|id| id.as_str())),
            birth_date: additions.iter().map(|a| a.user.demographics.birth_date.map(|day| day.to_string())).collect(),
            address_line1: user(|user| user.demographics.address_line1.as_ref().map(|line| line.as_str())),
            address_line2: user(|user| user.demographics.address_line2.as_ref().map(|line| line.as_str())),
            city: user(|user| user.demographics.city.as_ref().map(|line| line.as_str())),
            state: user(|user| user.demographics.state.as_ref().map(|line| line.as_str())),
            postal_code: user(|user| user.demographics.postal_code.as_ref().map(|line| line.as_str())),
            actor: additions.iter().map(|a| a.change.audit.actor.as_str()).collect(),
            action: additions.iter().map(|a| a.change.audit.action.as_str()).collect(),
            fields: additions.iter().map(|a| a.change.audit.fields.as_str()).collect(),
            request: additions.iter().map(|a| a.change.audit.request.as_str()).collect(),
            payor_user: payors().map(|(user, _)| user.as_str()).collect(),
            payor: payors().map(|(_, payor)| payor.as_str()).collect(),
            message_user: messages().map(|message: &Message| message.user.as_str()).collect(),
            message_id: messages().map(|message| message.id.as_str()).collect(),
            message_kind: messages().map(|message| message.kind.as_str()).collect(),
        }
    }
}

/// Which of the users of a batch are there, by the ids we chose.
async fn existing(client: &Object, columns: &Columns<'_>) -> Result<HashSet<String>, tokio_postgres::Error> {
    let sql = "select u.id from unnest($1::text[], $2::text[]) as t (organization, id) \
               join users u on u.organization = t.organization and u.id = t.id";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&columns.organization, &columns.id]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Whether a change was written by an attempt that was lost: its audit entry is there.
async fn remembers(client: &Object, change: &Change, place: i64, lane: i32) -> Result<bool, tokio_postgres::Error> {
    let sql = "select 1 from audit where organization = $1 and place = $2 and lane = $3";
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, &[&change.organization.as_str(), &place, &lane]).await?.is_some())
}

async fn write(client: &mut Object, change: &Change, place: i64, lane: i32) -> Result<(), Trouble> {
    let organization = change.organization.as_str();
    let transaction = client.transaction().await?;
    let mut alters = false;
    if !matches!(change.writes.as_slice(), [Write::Organization(_)]) {
        let sql = "select 1 from organization where id = $1";
        if transaction.query_opt(sql, &[&organization]).await?.is_none() {
            return Err(Trouble::Refused(Error::NoOrganization));
        }
    }
    for write in &change.writes {
        match write {
            Write::Organization(new) => {
                let sql = "insert into organization (id, place, name, created_at) values ($1, $2, $3, $4)";
                let at = new.created_at.as_millis();
                transaction.execute(sql, &[&new.id.as_str(), &place, &new.name.as_str(), &at]).await?;
            }
            Write::Payor(payor) => {
                let sql = "insert into payor (organization, id, name, created_at) values ($1, $2, $3, $4)";
                let at = payor.created_at.as_millis();
                transaction.execute(sql, &[&organization, &payor.id.as_str(), &payor.name.as_str(), &at]).await?;
            }
            Write::Key(key) => {
                let sql = "insert into api_key (id, organization, role, name, hash, created_at, expires_at, revoked_at) \
                           values ($1, $2, $3, $4, $5, $6, $7, $8)";
                let (role, hash) = (key.role as i16, key.hash.as_bytes().as_slice());
                let at = key.created_at.as_millis();
                let expires_at = key.expires_at.map(Timestamp::as_millis);
                let revoked_at = key.revoked_at.map(Timestamp::as_millis);
                let (id, name) = (key.id.as_str(), key.name.as_str());
                transaction
                    .execute(sql, &[&id, &organization, &role, &name, &hash, &at, &expires_at, &revoked_at])
                    .await?;
            }
            Write::KeyExpires(id, end) => {
                let sql = "update api_key set expires_at = least(coalesce(expires_at, $3), $3) \
                           where organization = $1 and id = $2";
                alters |= transaction.execute(sql, &[&organization, &id.as_str(), &end.as_millis()]).await? > 0;
            }
            Write::KeyRevoked(id, end) => {
                let sql = "update api_key set revoked_at = coalesce(revoked_at, $3) \
                           where organization = $1 and id = $2";
                alters |= transaction.execute(sql, &[&organization, &id.as_str(), &end.as_millis()]).await? > 0;
            }
            Write::User(..) => {
                return Err(Trouble::Refused(Error::Unusable(
                    "a change that adds a user and something else has no way to be written yet".to_owned(),
                )));
            }
        }
    }
    let entry = &change.audit;
    let sql = "insert into audit (organization, place, lane, actor, action, target, fields, request) \
               values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (actor, action, target) = (entry.actor.as_str(), entry.action.as_str(), entry.target.as_str());
    transaction
        .execute(sql, &[&organization, &place, &lane, &actor, &action, &target, &entry.fields, &entry.request.as_str()])
        .await?;
    if alters {
        // Last, so that its lock is held for the commit only.
        transaction.execute("update epoch set number = number + 1 where one = 1", &[]).await?;
    }
    transaction.commit().await?;
    Ok(())
}
