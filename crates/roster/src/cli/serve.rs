//! `roster serve`: the API, until the process is told to stop.

mod files;
mod signals;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use axum::body::Body;
use clap::Args;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY},
};
use roster_directory::Timestamp;
use roster_store::{Location, Store, chain};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::{
    app::{App, Clock, DAY, Ids, demo},
    config::{Deliveries, Listen, Server},
    deliver::Delivery,
    http::{
        Face,
        serve::{self, Limits, Stop},
    },
    telemetry::{Metrics, plain_metrics},
};

use signals::Signals;

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    server: Server,

    #[command(flatten)]
    deliveries: Deliveries,

    /// On an empty database, add an example organization with payors, people and a key, and print how to use it
    #[arg(long)]
    demo: bool,
}

impl Serve {
    pub(super) fn run(self, location: &Location) -> anyhow::Result<()> {
        let may_be_writable = self.server.allow_writable_files;
        let mut readable = Vec::new();
        if let Some(key) = &self.server.tls_key {
            readable.extend(files::guard(key, "the TLS key", may_be_writable)?);
        }
        if let Location::Sqlite(database) = location {
            readable.extend(files::guard(database, "the database", may_be_writable)?);
        }
        let tls = self.server.tls_cert.as_deref().zip(self.server.tls_key.as_deref());
        let tls = tls.map(|(cert, key)| acceptor(cert, key)).transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let store = Store::open(location, &self.server.store_options()).await;
            let store = store.with_context(|| format!("cannot use the database {location}"))?;
            readable.iter().for_each(|warning| tracing::warn!("{warning}"));
            self.serve(store, tls).await
        })?;
        // Whoever is cut off by the drain's deadline is not waited for.
        runtime.shutdown_background();
        Ok(())
    }

    async fn serve(self, store: Store, tls: Option<TlsAcceptor>) -> anyhow::Result<()> {
        let config = self.server;
        let metrics = Arc::new(Metrics::new());
        let measured = store.clone();
        let app = Arc::new(App::new(store.clone(), Clock::system(), Ids::random()));
        let delivery = Delivery::new(app.clone(), self.deliveries.clone(), metrics.clone())?;
        // Both addresses are taken before anything is printed that promises them.
        let listener = match &config.listen {
            Some(listen) => serve::bind(listen, "--listen").await?,
            None if self.demo => serve::bind_to_a_free_port().await?,
            None => serve::bind(&Listen::here(Listen::PORT), "--listen").await?,
        };
        let address = listener.local_addr()?;
        let metrics_listener = match &config.metrics_listen {
            Some(listen) => Some(serve::bind(listen, "--metrics-listen").await?),
            None => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let roster = super::invoked_as();
        if self.demo {
            let greeting = demo::prepare(&app).await?.greeting(&roster, &format!("{scheme}://{address}"));
            super::say(greeting.trim_end())?;
        } else if !app.store().has_organizations().await? {
            super::note(format_args!(
                "This database has no organization yet. Make one, and a key for it, in another terminal:\n\n  \
                 {roster} org create \"Our clinic\"\n  \
                 {roster} key create --org ORG --role ADMIN --name \"first key\"\n"
            ));
        }

        tell_what_is_ahead(&app).await?;
        let keeping_time = tokio::spawn(keep_time(app.clone()));
        let writing_uses = tokio::spawn(write_uses(app.clone()));

        // The first user with a phone need not wait for it.
        tokio::task::spawn_blocking(roster_directory::phone::load_plans);

        // Before it is said that the server listens: whoever waits for that may stop it at once.
        let mut signals = Signals::new()?;
        let (stop, stopping) = watch::channel(false);
        let face = Face::new(app, &config, &self.deliveries, metrics.clone())?;
        let delivered = delivery.run(stopping.clone(), config.drain_timeout);
        let limits = Limits {
            connections: config.max_connections,
            share: config.address_share,
            proxies: config.trusted_proxy.into(),
            timeout: config.read_timeout,
            keep_alive: config.keep_alive,
            drain: config.drain_timeout,
        };
        let listeners_stop = Stop::new();
        tracing::info!(address = %address, "listening on {scheme}://{address}");

        let api = serve::serve(listener, tls, limits.clone(), metrics.clone(), listeners_stop.clone(), is_health, {
            let face = face.clone();
            move |request, peer| {
                let face = face.clone();
                async move { face.answer(request, peer).await }
            }
        });
        let metrics_served = async {
            if let Some(listener) = metrics_listener {
                let address = listener.local_addr()?;
                tracing::info!(address = %address, "metrics on http://{address}/metrics");
                let unmetered = Arc::new(Metrics::new());
                let limits = Limits { connections: 16, ..limits };
                let handler = move |request: Request<Body>, _| {
                    measured.wal_bytes().inspect(|bytes| metrics.wal(*bytes));
                    let answer = metrics_answer(&request, &metrics);
                    async move { answer }
                };
                serve::serve(listener, None, limits, unmetered, listeners_stop.clone(), |_| true, handler).await;
            }
            anyhow::Ok(())
        };
        let told_to_stop = async {
            signals.next().await;
            face.start_draining();
            stop.send_replace(true);
            listeners_stop.leave();
            tracing::info!("stopping: what arrives is answered, and clients are told to go elsewhere");
            tokio::select! {
                () = tokio::time::sleep(config.drain_delay) => {}
                () = signals.next() => return,
            }
            tracing::info!("closing: what has arrived is answered");
            listeners_stop.close();
            signals.next().await;
        };
        let served = async {
            let ended = tokio::join!(api, metrics_served, delivered).1;
            keeping_time.abort();
            keep_time_once(face.app()).await;
            writing_uses.abort();
            write_uses_once(face.app()).await;
            store.close().await;
            ended
        };
        tokio::select! {
            ended = served => ended?,
            () = told_to_stop => tracing::warn!("told to stop twice: requests under way are cut off"),
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// How often the latest moment is kept, if some key ended meanwhile: a key that ended before a process was killed may be
/// taken for live for so long, if the clock goes back too.
const KEEP_TIME: Duration = Duration::from_secs(60);

async fn keep_time(app: Arc<App>) {
    let mut minutes = tokio::time::interval(KEEP_TIME);
    loop {
        minutes.tick().await;
        keep_time_once(&app).await;
    }
}

async fn keep_time_once(app: &App) {
    if let Err(error) = app.keep_time().await {
        tracing::warn!(error = %chain(&error), "cannot keep what time it was");
    }
}

/// How often it is written down when keys were used: with the time for which a key counts as used, within a minute.
const WRITE_USES: Duration = Duration::from_secs(20);

async fn write_uses(app: Arc<App>) {
    let mut times = tokio::time::interval(WRITE_USES);
    loop {
        times.tick().await;
        write_uses_once(&app).await;
    }
}

async fn write_uses_once(app: &App) {
    if let Err(error) = app.write_uses().await {
        tracing::warn!(error = %chain(&error), "cannot write down when keys were used");
    }
}

/// Names the organizations whose changes lie in the future: either the clock was ahead when they were written, or it is
/// behind now.
async fn tell_what_is_ahead(app: &App) -> anyhow::Result<()> {
    let (now, latest) = (app.clock().steady(), app.clock().latest());
    let days = |moment: Timestamp| (moment.as_millis() - now.as_millis()) / DAY;
    if days(latest) < 1 {
        return Ok(());
    }
    let ahead = app.ahead().await?;
    for ahead in &ahead {
        let (organization, days) = (ahead.organization, days(ahead.latest));
        tracing::warn!(organization = %organization, "the newest change of {organization} is {days} days ahead of the clock");
    }
    tracing::warn!(
        latest = %latest,
        "what is recorded is up to {} days ahead of the clock, and keys are judged by it: set the clock right, or, if it \
         is right, stop every server and run `roster clock repair`",
        days(latest)
    );
    Ok(())
}

/// Whether whoever looks after the process asks how it is: answered even where there is no place for a connection.
fn is_health(request: &Request<Body>) -> bool {
    matches!(request.uri().path(), "/healthz" | "/readyz")
}

fn metrics_answer(request: &Request<Body>, metrics: &Metrics) -> Response<Body> {
    if request.uri().path() != "/metrics" {
        let mut response = Response::new(Body::from("The metrics are at /metrics\n"));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let open_metrics = metrics.open_metrics();
    let (body, kind) = match takes_open_metrics(request.headers()) {
        true => (open_metrics, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        false => (plain_metrics(&open_metrics), "text/plain; version=0.0.4; charset=utf-8"),
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    response
}

/// Whether the media type is named, and not with `q=0`. Prometheus names it; a browser and curl take anything, and are
/// best served with what they can show.
fn takes_open_metrics(headers: &HeaderMap) -> bool {
    let ranges =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    ranges.map(|range| range.split(';').map(str::trim)).any(|mut range| {
        let is_named = range.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
        let weight = range.find_map(|parameter| parameter.strip_prefix("q=")?.parse::<f32>().ok());
        is_named && weight != Some(0.0)
    })
}

/// Reads a certificate chain and its key.
fn acceptor(cert: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read certificates from {}", cert.display()))?;
    anyhow::ensure!(!chain.is_empty(), "{} contains no certificate in PEM form", cert.display());
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read a private key from {}", key.display()))?;
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and the private key do not go together")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
