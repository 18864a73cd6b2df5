//! Where ids, keys and request ids come from.

use std::sync::atomic::{AtomicU64, Ordering};

use roster_directory::{
    KeyId, MessageId, OrganizationId, PayorId, Timestamp, UserId, WebhookId, audit::RequestId, webhook::Secret,
};

/// The one place that asks for randomness; tests count instead, so that their answers are exact.
#[derive(Debug)]
pub enum Ids {
    /// From the operating system's generator.
    Random {
        /// Makes the request ids of this process its own.
        process: u32,
        /// Requests so far.
        requests: AtomicU64,
    },
    /// Those after this number, in order.
    Counted(AtomicU64),
}

impl Ids {
    /// Ids nobody can guess.
    pub fn random() -> Self {
        let mut process = [0; 4];
        fill(&mut process);
        Ids::Random { process: u32::from_le_bytes(process), requests: AtomicU64::new(0) }
    }

    fn entropy(&self) -> u128 {
        match self {
            Ids::Random { .. } => {
                let mut bytes = [0; 16];
                fill(&mut bytes);
                u128::from_le_bytes(bytes)
            }
            Ids::Counted(count) => u128::from(count.fetch_add(1, Ordering::Relaxed) + 1),
        }
    }

    pub(super) fn user(&self, now: Timestamp) -> UserId {
        UserId::new(now, self.entropy())
    }

    pub(super) fn organization(&self) -> OrganizationId {
        OrganizationId::new(self.entropy())
    }

    pub(super) fn payor(&self) -> PayorId {
        PayorId::new(self.entropy())
    }

    pub(super) fn key(&self) -> KeyId {
        KeyId::new(self.entropy())
    }

    pub(crate) fn message(&self, now: Timestamp) -> MessageId {
        MessageId::new(now, self.entropy())
    }

    pub(super) fn webhook(&self) -> WebhookId {
        WebhookId::new(self.entropy())
    }

    pub(super) fn webhook_secret(&self) -> Secret {
        let secret = self.key_secret();
        Secret::from_bytes(std::array::from_fn(|nth| secret[nth]))
    }

    /// Whose a message is while it is being delivered. Not 0.
    pub(crate) fn claim(&self) -> i64 {
        (self.entropy() as i64).wrapping_abs().max(1)
    }

    /// A share of something, from 0 to 1, that nobody else takes at the same moment.
    pub(crate) fn jitter(&self) -> f64 {
        (self.entropy() as u32) as f64 / f64::from(u32::MAX)
    }

    pub(super) fn key_secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        match self {
            Ids::Random { .. } => fill(&mut secret),
            Ids::Counted(_) => secret[..16].copy_from_slice(&self.entropy().to_le_bytes()),
        }
        secret
    }

    /// The id of a request that brought none. Unique; not a secret, so it is counted rather than drawn.
    pub fn request(&self) -> RequestId {
        RequestId::new(match self {
            Ids::Random { process, requests } => {
                u64::from(*process) << 32 | requests.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff
            }
            Ids::Counted(count) => count.fetch_add(1, Ordering::Relaxed) + 1,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is its one home")]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("an operating system that has no randomness cannot run this service");
}
