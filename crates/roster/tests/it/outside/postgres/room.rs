//! A server that has room for fewer connections than the pool wants.

use std::thread;

use crate::{
    binary::Binary,
    postgres::{Cluster, psql},
};

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn fewer_connections_than_the_pool_wants_make_requests_wait_and_none_fail() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let name = url.rsplit('/').next().expect("a name");
    let role = format!("{name}_few");
    psql(&url, &format!("create role {role} login connection limit 3; alter database {name} owner to {role}"));
    let binary = Binary::on(&format!("postgres://{role}@127.0.0.1:{}/{name}?pool_size=16", cluster.port()));
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = |nth: usize| {
            let (server, key) = (&server, &key);
            move || match nth % 2 {
                0 => server.request("GET", "/api/v1/users?search=jane", key, "").0,
                _ => server.create(key, &format!("jane{nth}@example.com")).0,
            }
        };
        let asking: Vec<_> = (0..60).map(|nth| scope.spawn(ask(nth))).collect();
        asking.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    assert_eq!(statuses, [200; 60]);
}
