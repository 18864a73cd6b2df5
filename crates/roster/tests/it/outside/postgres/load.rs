//! Clients that create users without a pause, and remember what they were told.

use std::{
    collections::BTreeMap,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::Scope,
    time::Instant,
};

use crate::{
    binary::{Binary, PATIENCE, Server},
    wire::request,
};

/// An organization to create users in, and what became of that.
pub(super) struct Load {
    key: String,
    payor: String,
    names: AtomicU64,
    /// publicId → e-mail of everybody whose create was answered with 200, and when the latest was.
    answered: Mutex<(BTreeMap<String, String>, Instant)>,
    more: Condvar,
    stop: AtomicBool,
    /// How many other answers, and connections that ended, there were.
    refused: AtomicUsize,
}

impl Load {
    pub(super) fn new(binary: &Binary) -> Self {
        let (org, key) = binary.organization_with_admin();
        let payor = binary.last_word(["payor", "create", "--org", &org, "Aetna"]);
        let answered = Mutex::new((BTreeMap::new(), Instant::now()));
        Self {
            key,
            payor,
            names: AtomicU64::new(0),
            answered,
            more: Condvar::new(),
            stop: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn answered(&self) -> BTreeMap<String, String> {
        self.answered.lock().expect("nobody panics").0.clone()
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits until so many more were answered, and says when the last one was.
    pub(super) fn wait_for(&self, more: usize) -> Instant {
        let answered = self.answered.lock().expect("nobody panics");
        let wanted = answered.0.len() + more;
        let waited = self.more.wait_timeout_while(answered, PATIENCE, |answered| answered.0.len() < wanted);
        let (answered, limit) = waited.expect("nobody panics");
        assert!(!limit.timed_out(), "{} creates were answered, and no more", answered.0.len());
        answered.1
    }

    /// Starts so many clients. They stop when what is returned is dropped.
    pub(super) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        clients: usize,
        server: &'scope Server,
    ) -> impl Drop + 'scope {
        for _ in 0..clients {
            scope.spawn(|| self.create(server));
        }
        Stop(&self.stop)
    }

    /// Creates users, one after the other, until told to stop. Whatever goes wrong, it goes on.
    fn create(&self, server: &Server) {
        let mut wire = server.wire();
        while !self.stop.load(Ordering::Relaxed) {
            let email = format!("user{}@example.com", self.names.fetch_add(1, Ordering::Relaxed));
            let body = format!(
                r#"{{"firstName":"Jane","lastName":"Doe","email":"{email}","phoneNumber":"+14155550100",
                    "shouldSendSMS":true,"providerPayors":["{}"]}}"#,
                self.payor
            );
            let sent = wire.try_send(request("POST", "/api/v1/users", &self.key, &body));
            match sent.and_then(|()| wire.try_answer()) {
                Ok(Some(answer)) if answer.status == 200 => {
                    let id = answer.json()["user"]["publicId"].as_str().expect("an id").to_owned();
                    let mut answered = self.answered.lock().expect("nobody panics");
                    assert_eq!(answered.0.insert(id, email), None, "an id is given out once");
                    answered.1 = Instant::now();
                    self.more.notify_all();
                }
                Ok(Some(answer)) => {
                    match answer.status {
                        504 => assert!(answer.header("location").is_some(), "{answer}"),
                        status => assert_eq!((status, answer.header("retry-after")), (503, Some("1")), "{answer}"),
                    }
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                ended => panic!("the server hung up, or an answer took too long: {ended:?}"),
            }
        }
    }
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
