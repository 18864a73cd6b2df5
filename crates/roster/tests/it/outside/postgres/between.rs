//! A directory in process whose database is behind a [`Proxy`].

use std::sync::Arc;

use super::{proxy::Proxy, rows::lines};
use crate::{postgres::Cluster, roster::Roster};

/// A directory behind a proxy.
pub(super) struct Between {
    pub(super) roster: Roster,
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
        Self { roster: Roster::at(&proxy.url(&database)), proxy, database, _cluster: cluster }
    }
}
