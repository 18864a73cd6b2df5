//! A directory in process whose database is behind a [`Proxy`].

use std::sync::Arc;

use super::{proxy::Proxy, rows::lines};
use crate::{postgres::Cluster, roster::Roster};

/// A directory behind a proxy.
pub(super) struct Between {
    pub(super) roster: Roster,
    url: String,
    pub(super) proxy: Proxy,
    /// Past the proxy.
    pub(super) database: String,
    _cluster: Arc<Cluster>,
}

impl Between {
    pub(super) fn new() -> Self {
        Self::with("application_name = ''")
    }

    /// With this setting for all who connect to the database.
    pub(super) fn with(setting: &str) -> Self {
        let cluster = Cluster::shared();
        let database = cluster.database();
        let name = database.rsplit('/').next().expect("a name");
        lines(&database, &format!("alter database {name} set {setting}"));
        let proxy = Proxy::before(cluster.port());
        let url = proxy.url(&database);
        Self { roster: Roster::at(&url), url, proxy, database, _cluster: cluster }
    }

    /// One more process behind the proxy: those of one take turns, so that only two of them get in each other's way.
    pub(super) fn second(&self) -> Roster {
        Roster::beside(&self.url)
    }
}
