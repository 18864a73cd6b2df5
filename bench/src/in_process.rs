//! Requests to the whole HTTP surface without a socket, one after the other, on one thread beside the writer's.

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::ensure;
use axum::body::Body;
use clap::Parser;
use http_body_util::BodyExt;
use hyper::Request;
use roster::{
    app::{App, Clock, Ids, NewKey},
    config::{Deliveries, Server},
    http::Face,
    telemetry::Metrics,
};
use roster_directory::{Role, key::KeyName};
use roster_store::{Location, Options, Store};

use crate::{ask, load::Exchange};

/// What is asked, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    Create,
    /// Of one user, whose answer is ready.
    Get,
    /// Page 1 of 25.
    List,
}

impl What {
    pub(crate) const ALL: [What; 3] = [What::Create, What::Get, What::List];

    pub(crate) fn name(self) -> &'static str {
        match self {
            What::Create => "create",
            What::Get => "get",
            What::List => "list",
        }
    }
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    deliveries: Deliveries,
}

/// Users that are there before the requests that are counted.
const USERS: usize = 100;

/// Answers so many requests, each as it must be.
pub(crate) fn run(what: What, requests: u32) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let location = Location::Sqlite(folder.path().join("roster.db"));
        // What is done behind the writer is done now and then, and would be counted for whoever comes by.
        let store = Store::open(&location, &Options { index: false, ..Options::default() }).await?;
        let app = Arc::new(App::new(store, Clock::system(), Ids::random()));
        let operator = app.create_organization("Bench Organization".parse().expect("a name")).await?;
        let name: KeyName = "bench".parse().expect("a name");
        let (_, token) = app.create_key(&operator, NewKey::lasting(Role::Admin, name), None).await?;
        let flags = Flags::parse_from(["roster", "--rate-limit", "4294967295"]);
        let face = Face::new(app, &flags.server, &flags.deliveries, Arc::new(Metrics::new()))?;

        let key = token.reveal();
        let mut create = ask::create(key);
        let mut created = String::new();
        for _ in 0..USERS {
            created = send(&face, &mut create).await?;
        }
        let id = created.split("\"publicId\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        let mut get = ask::user_called(key, id);
        let mut list = ask::page(key, "pageSize=25");
        for _ in 0..requests {
            match what {
                What::Create => send(&face, &mut create).await?,
                What::Get => send(&face, &mut get).await?,
                What::List => send(&face, &mut list).await?,
            };
        }
        Ok(())
    })
}

/// Sends one request, and returns the body of its answer.
async fn send(face: &Face, ask: &mut (impl FnMut(&mut Exchange) + Send)) -> anyhow::Result<String> {
    let mut exchange = Exchange::default();
    ask(&mut exchange);
    let text = std::str::from_utf8(&exchange.request)?;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut request = Request::builder().method(first.next().unwrap_or_default()).uri(first.next().unwrap_or_default());
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let answer = face
        .answer(request.body(Body::from(body.to_owned()))?, Ipv4Addr::LOCALHOST.into())
        .await
        .into_body()
        .collect()
        .await?
        .to_bytes();
    ensure!(answer.starts_with(&exchange.expected), "answered {answer:?}");
    Ok(String::from_utf8(answer.to_vec())?)
}
