//! Places for connections: so many in all, and so many for one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Whom an address belongs to: an IPv4 address to itself, an IPv6 address to its /64, which is what one customer is
/// given at least (RFC 6177 §2).
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Places for connections.
pub(super) struct Places {
    /// In all.
    most: u32,
    /// For one address.
    share: u32,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: u32,
    /// As many entries as connections, at most.
    by: HashMap<IpAddr, u32>,
}

impl Places {
    /// `most` places, of which one address may take so many percent.
    pub(super) fn new(most: u32, percent: u32) -> Arc<Self> {
        let share = (u64::from(most) * u64::from(percent)).div_ceil(100);
        Arc::new(Self { most, share: u32::try_from(share).unwrap_or(most), taken: Mutex::default() })
    }

    /// A place for a connection from this address, if one is free. Without an address no share is counted.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let network = address.map(network_of);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return None;
        }
        if let Some(network) = network {
            let held = taken.by.entry(network).or_default();
            if *held >= self.share {
                return None;
            }
            *held += 1;
        }
        taken.all += 1;
        Some(Place { places: self.clone(), network })
    }
}

/// A place that is taken for as long as this is kept.
pub(super) struct Place {
    places: Arc<Places>,
    network: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(network) = self.network
            && let Some(held) = taken.by.get_mut(&network)
        {
            *held -= 1;
            if *held == 0 {
                taken.by.remove(&network);
            }
        }
    }
}
