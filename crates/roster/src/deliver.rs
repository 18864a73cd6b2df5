//! What is owed is delivered: text messages through the clinic's gateway, events to its webhooks.
//!
//! A process takes what is due by claiming it for a while, so that any number of them may work at one outbox, and writes
//! down what became of it. A claim that was not settled in its time is somebody else's: whoever had it has died. A
//! webhook is told again then, under the same id; a text message that had begun may have been sent, and is not.

pub mod address;
pub mod client;
pub mod gateway;
pub mod names;
pub mod signature;
mod sms;
mod webhook;

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Context;
use quick_cache::sync::Cache;
use roster_directory::{OrganizationId, Webhook, outbox::Queue, webhook::State};
use roster_store::{
    chain,
    outbox::{BusyWebhook, Claim, Claimed, Settlement, Wanted},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    app::{App, Error},
    config::Deliveries,
    telemetry::Metrics,
};
use client::Client;
use gateway::Gateway;
use names::Names;

/// What we call ourselves to receivers.
const USER_AGENT: &str = concat!("Roster/", env!("CARGO_PKG_VERSION"));

/// Messages that one webhook is told at once by one process.
const AT_ONCE_A_WEBHOOK: u32 = 8;

/// Text messages that are under way at once in one process.
const AT_ONCE_SMS: u32 = 32;

/// Organizations whose connections are kept; of more, those that were not told for longest begin anew.
const CLIENTS: usize = 1_000;

/// How long a claim lasts: longer than everything that is done with a message may take.
const CLAIM: i64 = 30_000;

/// Text messages whose fate the gateway is asked for at once by one process.
const AT_ONCE_ASKED: u32 = 32;

/// How long we wait, where nobody wakes us, before looking whether something is due: another process may have written.
const IDLE: Duration = Duration::from_secs(1);

/// How long deliveries that end together are collected.
const COLLECT: Duration = Duration::from_millis(5);

/// How long commits are collected: many come in a second, and each look reads the database that they write to.
const COLLECT_COMMITS: Duration = Duration::from_millis(50);

/// How often we look after what is old, and count what is owed.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// Rows that one statement of that touches at most.
const HOUSEKEEPING_ROWS: u32 = 1_000;

/// Whoever delivers.
pub struct Delivery {
    app: Arc<App>,
    config: Deliveries,
    webhooks: Client,
    /// A client for each organization that is being told: what its webhooks use up is its own.
    clients: Cache<OrganizationId, Client>,
    gateway: Option<Arc<Gateway>>,
    /// Where the gateway reaches us.
    public_address: Option<String>,
    metrics: Arc<Metrics>,
}

/// What is being delivered at this moment.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Queue>,
    at_once: HashMap<Queue, u32>,
    /// When it was looked last whether the gateway is to be asked of something.
    looked_to_ask: Option<Instant>,
}

impl Running {
    fn room(&self, queue: Queue, most: u32) -> u32 {
        most.saturating_sub(self.at_once.get(&queue).copied().unwrap_or(0))
    }

    fn start(&mut self, queue: Queue, work: impl Future<Output = ()> + Send + 'static) {
        *self.at_once.entry(queue).or_default() += 1;
        self.tasks.spawn(async move {
            work.await;
            queue
        });
    }

    fn ended(&mut self, task: Result<Queue, tokio::task::JoinError>) {
        match task {
            Ok(queue) => {
                if let Some(running) = self.at_once.get_mut(&queue) {
                    *running -= 1;
                    if *running == 0 {
                        self.at_once.remove(&queue);
                    }
                }
            }
            // Which one it was is not known: all are counted anew once none is running.
            Err(_) => tracing::error!("a delivery panicked; its message is taken up again when its claim ends"),
        }
        if self.tasks.is_empty() {
            self.at_once.clear();
        }
    }
}

impl Delivery {
    /// Delivery for this app.
    pub fn new(app: Arc<App>, config: Deliveries, metrics: Arc<Metrics>) -> anyhow::Result<Arc<Self>> {
        let names = Names::asking(&config.name_server).context("cannot look up names")?;
        let gateway = config.gateway(names.clone())?.map(Arc::new);
        let webhooks = Client::guarded(config.webhook_inside.clone(), names, client::Limits::default())
            .context("cannot read the certificates that this machine trusts")?;
        let clients = Cache::new(CLIENTS);
        let public_address = config.public_address();
        Ok(Arc::new(Self { app, config, webhooks, clients, gateway, public_address, metrics }))
    }

    /// The client for an organization's webhooks.
    fn client_of(&self, organization: OrganizationId) -> Client {
        let new = || Ok::<_, std::convert::Infallible>(self.webhooks.for_another());
        let Ok(client) = self.clients.get_or_insert_with(&organization, new);
        client
    }

    /// Delivers until `stop` becomes true, then lets what is under way end, until the deadline.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>, drain: Duration) {
        let mut running = Running::default();
        let mut looked_after = None;
        loop {
            if looked_after.is_none_or(|then: Instant| then.elapsed() >= HOUSEKEEPING) {
                looked_after = Some(Instant::now());
                if let Err(error) = self.look_after().await {
                    tracing::warn!(error = %chain(&error), "cannot look after the outbox");
                }
            }
            if let Err(error) = self.take_up(&mut running).await {
                tracing::warn!(error = %chain(&error), "cannot take up what is owed");
            }
            let collect = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(task) = running.tasks.join_next(), if !running.tasks.is_empty() => {
                    running.ended(task);
                    COLLECT
                }
                () = self.app.wake().notified() => COLLECT_COMMITS,
                () = sleep(IDLE) => continue,
            };
            sleep(collect).await;
            while let Some(task) = running.tasks.try_join_next() {
                running.ended(task);
            }
        }
        let rest = async { while running.tasks.join_next().await.is_some() {} };
        if timeout(drain, rest).await.is_err() {
            tracing::warn!("some deliveries did not end in time; they are taken up again when their claims end");
        }
    }

    /// Claims what is due, as much as there is room for, and starts delivering it.
    async fn take_up(self: &Arc<Self>, running: &mut Running) -> Result<(), Error> {
        let now = self.app.clock().steady();
        for busy in self.app.store().busy_webhooks(now).await? {
            // What is wrong with one of them is nobody else's trouble.
            if let Err(error) = self.take_up_for(&busy, running).await {
                tracing::warn!(webhook = %busy.webhook.id, error = %chain(&error), "cannot take up what it is owed");
            }
        }
        if self.gateway.is_some() {
            for (claimed, claim) in self.claim(Queue::Sms, running.room(Queue::Sms, AT_ONCE_SMS)).await? {
                running.start(Queue::Sms, self.clone().one(None, claimed, claim));
            }
            // In no hurry, and not with each commit.
            if running.looked_to_ask.is_none_or(|then| then.elapsed() >= IDLE) {
                running.looked_to_ask = Some(Instant::now());
                let room = running.room(Queue::Accepted, AT_ONCE_ASKED);
                for (claimed, claim) in self.claim(Queue::Accepted, room).await? {
                    running.start(Queue::Accepted, self.clone().one(None, claimed, claim));
                }
            }
        }
        Ok(())
    }

    /// The same for one webhook, after it is owed what it has not heard of.
    async fn take_up_for(self: &Arc<Self>, busy: &BusyWebhook, running: &mut Running) -> Result<(), Error> {
        self.owe(busy).await?;
        let queue = Queue::Webhook(busy.webhook.id);
        let claimed = self.claim(queue, running.room(queue, AT_ONCE_A_WEBHOOK)).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        // Looked at once more, now that they are ours: whoever paused it, or changed its secret, and was told so, would
        // not understand.
        let webhooks = self.app.store().webhooks(busy.organization).await?;
        let webhook = webhooks.into_iter().find(|webhook| webhook.id == busy.webhook.id).map(Arc::new);
        for (claimed, claim) in claimed {
            match webhook.clone().filter(|webhook| webhook.state == State::Active) {
                Some(webhook) => running.start(queue, self.clone().one(Some(webhook), claimed, claim)),
                None => {
                    let now = self.app.clock().steady();
                    self.settle(&claimed, claim, sms::owed(now, now)).await?;
                }
            }
        }
        Ok(())
    }

    async fn claim(&self, queue: Queue, limit: u32) -> Result<Vec<(Claimed, Claim)>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let now = self.app.clock().steady();
        let claim = Claim { token: self.app.ids().claim(), until: now.plus_millis(CLAIM) };
        let claimed = self.app.store().claim(Wanted { queue, now, limit }, claim).await?;
        Ok(claimed.into_iter().map(|claimed| (claimed, claim)).collect())
    }

    /// Delivers one message. What fails on our side is taken up again when its claim ends.
    async fn one(self: Arc<Self>, webhook: Option<Arc<Webhook>>, claimed: Claimed, claim: Claim) {
        let done = match (&webhook, &self.gateway) {
            (Some(webhook), _) => self.tell(webhook, &claimed, claim).await,
            (None, Some(gateway)) => self.text(gateway, &claimed, claim).await,
            (None, None) => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(message = %claimed.message.id, error = %chain(&error), "a delivery was not finished");
        }
    }

    async fn settle(&self, claimed: &Claimed, claim: Claim, settlement: Settlement) -> Result<(), Error> {
        let (kind, state) = (claimed.message.content.kind(), settlement.state);
        if self.app.store().settle(claimed, claim, settlement).await? {
            self.metrics.settled(kind, state);
        } else {
            // Its webhook was deleted, or somebody let go of it.
            tracing::debug!(message = %claimed.message.id, "a message was dealt with elsewhere meanwhile");
        }
        Ok(())
    }

    /// Drops what is too old to be sent, forgets what was settled long ago, and counts what is owed.
    async fn look_after(&self) -> Result<(), Error> {
        let now = self.app.clock().steady();
        let keep = i64::try_from(self.config.sms_keep.as_millis()).unwrap_or(i64::MAX);
        let store = self.app.store();
        let mut dropped = 0;
        loop {
            let some = store.drop_old_sms(now.plus_millis(-keep), now, HOUSEKEEPING_ROWS).await?;
            dropped += some;
            if some < u64::from(HOUSEKEEPING_ROWS) {
                break;
            }
        }
        if dropped > 0 {
            tracing::warn!("{dropped} text messages waited longer than {:?} and were dropped", self.config.sms_keep);
        }
        store.forget(now, HOUSEKEEPING_ROWS).await?;
        self.metrics.owed(&self.app.count_owed().await?);
        Ok(())
    }

    /// Up to so many milliseconds, by chance, so that what failed together does not come back together.
    fn jittered(&self, most: i64) -> i64 {
        (self.app.ids().jitter() * most as f64) as i64
    }
}
